import { CONTROL, type LaneMemory, type ReaderInput } from "./lane-memory.ts";
import { MonotonicClock } from "./monotonic-clock.ts";
import { staysAt, yieldCore } from "./yield-core.ts";

/**
 * Before this many ms remain a thread sleeps; the rest it spins. A timed `Atomics.wait` returns
 * 0.05 to 0.15 ms late on Linux (timer slack and wake-up; measured on a 2-vCPU virtual machine).
 */
export const SPIN_MS = 0.3;
/**
 * A reader without work spins for some of the recent pauses between loads before it sleeps, within
 * these bounds: waking it costs the thread that asks more than a fast transfer takes. One thread of
 * a lane spins at most.
 */
export const IDLE_SPIN = { pauses: 4, leastMs: 1, mostMs: 20 } as const;
/** Closer to a time than this a thread looks at nothing but the clock. Chosen. */
const LOOK_MS = 0.02;
/** Longest sleep: within it a thread notices what nobody wakes it for. Chosen. */
export const NAP_MS = 5;

/** What a reading thread sees of the others: the time, and whether it is to go on. */
export class ReaderSignals {
  readonly #control: Int32Array;
  readonly #beats: Int32Array;
  readonly #cancelFlag: Int32Array;
  readonly #clock: MonotonicClock;
  readonly #index: number;

  constructor({ memory, cancelFlag, zero, index }: ReaderInput) {
    this.#control = memory.control;
    this.#beats = memory.beats;
    this.#cancelFlag = cancelFlag;
    this.#clock = new MonotonicClock(zero);
    this.#index = index;
  }

  nowMs(): number {
    return this.#clock.nowMs();
  }

  /** False when the lane is being closed, was cancelled or has failed. */
  get mayGoOn(): boolean {
    return (
      Atomics.load(this.#control, CONTROL.stop) === 0 &&
      Atomics.load(this.#cancelFlag, 0) === 0 &&
      Atomics.load(this.#control, CONTROL.failed) === 0
    );
  }

  /** Tells that this thread is alive. */
  beat(): void {
    Atomics.add(this.#beats, this.#index, 1);
  }

  /** Returns at that time, true; or earlier, false, when the thread is not to go on. */
  waitUntil(untilMs: number): boolean {
    for (;;) {
      if (!this.mayGoOn) return false;
      const leftMs = untilMs - this.nowMs();
      if (leftMs <= 0) return true;
      if (leftMs <= SPIN_MS) {
        // Long enough before the end to be undisturbing, and to let others go first.
        if (leftMs > LOOK_MS && staysAt(this.#control, CONTROL.stop, 0)) yieldCore();
        continue;
      }
      this.beat();
      // A cancel wakes this; a close is noticed after the nap.
      Atomics.wait(this.#cancelFlag, 0, 0, Math.min(leftMs - SPIN_MS, NAP_MS));
    }
  }
}

/** Wakes the compute thread when it sleeps for a slot: for this one, or for whichever it is. */
export function wakeWaiting({ control, slotStates }: LaneMemory, slot?: number): void {
  const waitingFor = Atomics.load(control, CONTROL.waitingFor) - 1;
  if (waitingFor < 0 || (slot !== undefined && slot !== waitingFor)) return;
  Atomics.notify(slotStates, waitingFor);
}
