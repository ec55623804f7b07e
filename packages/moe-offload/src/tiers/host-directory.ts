import { SharedLock } from "./shared-lock.ts";

/** What came of asking for an expert. */
export const HOST = {
  /** It is there; the place is held for the caller until `release`. */
  hit: 0,
  /** Another thread is fetching it into the place: wait with `waitFilled`, then ask again. */
  filling: 1,
  /** It is not there; the caller fills the place, then calls `filled` and `release`. */
  fill: 2,
  /** It is not there, and is not to be kept. */
  miss: 3,
} as const;

const FREE = 0;
const FILLING = 1;
const FULL = 2;
const NOBODY = -1;

/** Shared numbers a directory needs. */
export function hostDirectoryLength(slotCount: number, keyCount: number): number {
  return 1 + 2 * (slotCount + 1) + 3 * slotCount + keyCount;
}

/**
 * Who is where in host memory, shared by the threads that read: places in order of last use, each
 * held by as many threads as copy from it. It moves no bytes. Every call is one short stretch under
 * one lock.
 */
export class HostDirectory {
  /** Of the last `ask`: the place it is about. */
  slot = NOBODY;
  readonly #lock: SharedLock;
  readonly #slotCount: number;
  /** Circle of places from the one used longest ago; entry `slotCount` is where it begins. */
  readonly #next: Int32Array;
  readonly #previous: Int32Array;
  readonly #keyOf: Int32Array;
  readonly #state: Int32Array;
  readonly #holders: Int32Array;
  readonly #slotOf: Int32Array;

  /**
   * @param words shared `[hostDirectoryLength]`, prepared once by `prepare`
   */
  constructor(words: Int32Array, slotCount: number) {
    this.#slotCount = slotCount;
    this.#lock = new SharedLock(words, 0);
    let at = 1;
    const take = (count: number) => {
      const part = words.subarray(at, at + count);
      at += count;
      return part;
    };
    this.#next = take(slotCount + 1);
    this.#previous = take(slotCount + 1);
    this.#keyOf = take(slotCount);
    this.#state = take(slotCount);
    this.#holders = take(slotCount);
    this.#slotOf = take(words.length - at);
  }

  /** Makes the directory an empty one; once, before other threads see it. */
  prepare(): void {
    const count = this.#slotCount;
    this.#keyOf.fill(NOBODY);
    this.#slotOf.fill(NOBODY);
    for (let i = 0; i <= count; i++) {
      this.#next[i] = (i + 1) % (count + 1);
      this.#previous[i] = (i + count) % (count + 1);
    }
  }

  /**
   * Looks for an expert; when it is not there and `keeps`, finds it a place.
   *
   * @param mayLeave whether an expert may give up its place; asked from the one used longest ago on
   */
  ask(key: number, keeps: boolean, mayLeave: (key: number) => boolean): number {
    return this.#lock.guard(() => {
      const found = this.#slotOf[key] ?? NOBODY;
      if (found !== NOBODY) {
        this.slot = found;
        if (Atomics.load(this.#state, found) === FILLING) return HOST.filling;
        this.#hold(found, 1);
        this.#touch(found);
        return HOST.hit;
      }
      const free = keeps ? this.#findPlace(mayLeave) : NOBODY;
      this.slot = free;
      if (free === NOBODY) return HOST.miss;
      const old = this.#keyOf[free] ?? NOBODY;
      if (old !== NOBODY) this.#slotOf[old] = NOBODY;
      this.#keyOf[free] = key;
      this.#slotOf[key] = free;
      Atomics.store(this.#state, free, FILLING);
      this.#hold(free, 1);
      this.#touch(free);
      return HOST.fill;
    });
  }

  /** True when the expert is there or on its way. */
  has(key: number): boolean {
    return this.#lock.guard(() => (this.#slotOf[key] ?? NOBODY) !== NOBODY);
  }

  /** The bytes of a place are complete. */
  filled(slot: number): void {
    Atomics.store(this.#state, slot, FULL);
    Atomics.notify(this.#state, slot);
  }

  /** The caller no longer copies from the place. */
  release(slot: number): void {
    this.#lock.guard(() => this.#hold(slot, -1));
  }

  /** Sleeps until a place is no longer being filled, or the time is over. */
  waitFilled(slot: number, timeoutMs: number): void {
    Atomics.wait(this.#state, slot, FILLING, timeoutMs);
  }

  #findPlace(mayLeave: (key: number) => boolean): number {
    const end = this.#slotCount;
    for (let slot = this.#next[end] ?? end; slot !== end; slot = this.#next[slot] ?? end) {
      if ((this.#holders[slot] ?? 0) > 0) continue;
      if (Atomics.load(this.#state, slot) === FREE) return slot;
      if (mayLeave(this.#keyOf[slot] ?? NOBODY)) return slot;
    }
    return NOBODY;
  }

  #hold(slot: number, by: number): void {
    this.#holders[slot] = (this.#holders[slot] ?? 0) + by;
  }

  // To the end of the circle.
  #touch(slot: number): void {
    const [next, previous] = [this.#next, this.#previous];
    const end = this.#slotCount;
    const before = previous[slot] ?? end;
    const after = next[slot] ?? end;
    next[before] = after;
    previous[after] = before;
    const last = previous[end] ?? end;
    next[last] = slot;
    previous[slot] = last;
    next[slot] = end;
    previous[end] = slot;
  }
}
