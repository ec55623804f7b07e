import { MoeError } from "../errors.ts";
import { readFailure } from "./lane-failure.ts";
import { CONTROL, type LaneMemory, type ReaderInput } from "./lane-memory.ts";
import type { MonotonicClock } from "./monotonic-clock.ts";
import { keepReader, type PooledReader, takeReaders } from "./reader-pool.ts";

/** How long a thread may give no sign before it counts as lost: longer than any read. Chosen. */
const SILENCE_MS_MAX = 60_000;
/** How often a blocked thread looks around. Chosen. */
const LOOK_MS = 50;

/** The reading threads of a lane, as the thread sees them that opened it. */
export class ReaderThreads {
  readonly #memory: LaneMemory;
  readonly #count: number;
  readonly #readers: PooledReader[];

  /**
   * @param transfers threads that serve the queues; the others read ahead
   * @throws Error of the operating system when it grants no more threads
   */
  constructor(
    count: number,
    transfers: number,
    input: Omit<ReaderInput, "index" | "role" | "entries">,
  ) {
    this.#memory = input.memory;
    this.#count = count;
    this.#readers = takeReaders(count);
    this.#readers.forEach((reader, index) => {
      const role = index < transfers ? "transfer" : "window";
      reader.start({ ...input, index, role, entries: CONTROL });
    });
  }

  /** Returns when all threads are ready. @throws MoeError, and what `check` throws */
  waitOpened(check: () => void): void {
    this.#waitFor(CONTROL.opened, () => {
      check();
      this.throwIfFailed();
    });
  }

  /** Asks all threads to leave and returns when they no longer touch anything. @throws MoeError */
  leave(cancelFlag: Int32Array): void {
    const { control } = this.#memory;
    Atomics.store(control, CONTROL.stop, 1);
    Atomics.add(control, CONTROL.work, 1);
    Atomics.notify(control, CONTROL.work);
    Atomics.notify(control, CONTROL.layerRank);
    // Threads that throttle sleep on the flag: they look, and see that they are to leave.
    Atomics.notify(cancelFlag, 0);
    this.#waitFor(CONTROL.gone, () => {});
    const isSound = readFailure(this.#memory)?.kind !== "broken";
    for (const reader of this.#readers.splice(0)) {
      if (isSound) keepReader(reader);
      else reader.dismiss();
    }
  }

  /** @throws MoeError `EXPERT_UNREADABLE` | `TRANSFER_FAILED` */
  throwIfFailed(): void {
    if (Atomics.load(this.#memory.control, CONTROL.failed) !== 0) throw this.#failure();
  }

  /** Watches whether the threads give signs of life. */
  watch(clock: Pick<MonotonicClock, "nowMs">): { check(nowMs: number): void } {
    let beats = this.#beats();
    let sinceMs = clock.nowMs();
    return {
      check: (nowMs) => {
        if (nowMs - sinceMs <= SILENCE_MS_MAX) return;
        const now = this.#beats();
        if (now === beats) throw this.#silent();
        beats = now;
        sinceMs = nowMs;
      },
    };
  }

  #waitFor(entry: number, check: () => void): void {
    const { control } = this.#memory;
    let beats = this.#beats();
    let looks = 0;
    for (;;) {
      check();
      const reached = Atomics.load(control, entry);
      if (reached >= this.#count) return;
      if (Atomics.wait(control, entry, reached, LOOK_MS) !== "timed-out") continue;
      const now = this.#beats();
      looks = now === beats ? looks + 1 : 0;
      beats = now;
      if (looks * LOOK_MS > SILENCE_MS_MAX) throw this.#silent();
    }
  }

  #beats(): number {
    let sum = 0;
    for (let i = 0; i < this.#memory.beats.length; i++) sum += Atomics.load(this.#memory.beats, i);
    return sum;
  }

  #failure(): MoeError {
    const failure = readFailure(this.#memory);
    if (failure?.kind !== "unreadable") return failed(failure?.reason ?? "for no known reason");
    const { kind: _, ...place } = failure;
    return new MoeError(
      `${place.path}: expert ${place.expert} of layer ${place.layer} (byte ${place.offset}) ` +
        `cannot be read: ${place.reason}. Check the file and the disk, then start again.`,
      { code: "EXPERT_UNREADABLE", ...place },
    );
  }

  #silent(): MoeError {
    return failed(`no sign of life for ${SILENCE_MS_MAX / 1e3} s; a disk hangs, or memory ran out`);
  }
}

function failed(reason: string): MoeError {
  return new MoeError(
    `the threads that load experts gave up: ${reason}. Look at the log of the system, ` +
      "then start again.",
    { code: "TRANSFER_FAILED", reason },
  );
}

/** Refuses a number that a setting cannot have. @throws MoeError `BAD_SETTING` */
export function setting(name: string, value: number, expected: string, holds: boolean): void {
  if (holds && Number.isInteger(value)) return;
  throw new MoeError(`${name} is ${value}, expected ${expected}.`, {
    code: "BAD_SETTING",
    setting: name,
    value,
    expected,
  });
}
