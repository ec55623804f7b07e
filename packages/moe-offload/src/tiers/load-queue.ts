/** Positions in the shared memory of a queue. */
const HEAD = 0;
const TAIL = 1;
const ENTRIES = 2;
const ENTRY_WORDS = 2;

/** Shared numbers a queue of `capacity` entries needs. */
export function loadQueueLength(capacity: number): number {
  return ENTRIES + ENTRY_WORDS * capacity;
}

/**
 * A first-in-first-out queue of (slot, ticket) between one thread that pushes and many that take,
 * without locks. Entries are not removed when they become void: whoever takes one checks it against
 * the state of its slot (see `slot-states.ts`), and the pushing thread throws void ones out when
 * the queue is full. That never fails, since at most one entry a slot is valid.
 *
 * Positions count on for ever (32 bits, wrapping), so that a position is never confused with an
 * earlier one at the same place.
 */
export class LoadQueue {
  /** Of the entry taken last. */
  slot = 0;
  /** Of the entry taken last. */
  ticket = 0;
  readonly #words: Int32Array;
  readonly #capacity: number;

  /** @param words shared, zeros at first; a power of two of entries, see `loadQueueLength` */
  constructor(words: Int32Array) {
    this.#words = words;
    this.#capacity = (words.length - ENTRIES) / ENTRY_WORDS;
  }

  /** True when there is nothing to take, void entries included. Any thread. */
  get isEmpty(): boolean {
    return Atomics.load(this.#words, HEAD) === Atomics.load(this.#words, TAIL);
  }

  /** Takes the oldest entry into `slot` and `ticket`; false when there is none. Any thread. */
  take(): boolean {
    const words = this.#words;
    for (;;) {
      const head = Atomics.load(words, HEAD);
      if (head === Atomics.load(words, TAIL)) return false;
      const at = this.#place(head);
      this.slot = Atomics.load(words, at);
      this.ticket = Atomics.load(words, at + 1);
      // The place is written anew only after the head has moved on, which makes this fail.
      if (Atomics.compareExchange(words, HEAD, head, (head + 1) | 0) === head) return true;
    }
  }

  /**
   * Adds an entry. The pushing thread only.
   *
   * @param isValid tells which entries are still wanted; asked only when the queue is full
   */
  push(slot: number, ticket: number, isValid: (slot: number, ticket: number) => boolean): void {
    if (this.#length() === this.#capacity) this.#throwOut(isValid);
    const tail = Atomics.load(this.#words, TAIL);
    const at = this.#place(tail);
    Atomics.store(this.#words, at, slot);
    Atomics.store(this.#words, at + 1, ticket);
    Atomics.store(this.#words, TAIL, (tail + 1) | 0);
  }

  // Takes what is there and puts the valid back in order; meanwhile others take from either end.
  #throwOut(isValid: (slot: number, ticket: number) => boolean): void {
    const kept: number[] = [];
    for (let left = this.#length(); left > 0 && this.take(); left--) {
      if (isValid(this.slot, this.ticket)) kept.push(this.slot, this.ticket);
    }
    for (let i = 0; i < kept.length; i += ENTRY_WORDS) {
      this.push(kept[i] ?? 0, kept[i + 1] ?? 0, isValid);
    }
  }

  #length(): number {
    return (Atomics.load(this.#words, TAIL) - Atomics.load(this.#words, HEAD)) | 0;
  }

  #place(position: number): number {
    return ENTRIES + ENTRY_WORDS * ((position >>> 0) % this.#capacity);
  }
}
