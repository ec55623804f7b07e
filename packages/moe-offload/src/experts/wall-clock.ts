import { ExperimentError } from "@fmlab/experiment";
import type { WaitClock } from "./clock.ts";

/**
 * Before this many ms remain the thread sleeps; the rest it spins. A timed `Atomics.wait` returns
 * 0.05 to 0.15 ms late on Linux (timer slack and wake-up; measured on a 2-vCPU virtual machine).
 */
const SPIN_MS = 0.3;

/**
 * The machine's monotonic clock; the only place of this package that reads it. Sleeping waits on
 * the cancellation flag itself, so that a cancel ends a wait at once.
 */
export class WallClock implements WaitClock {
  #zero = process.hrtime();
  #cancelFlag: Int32Array;

  /** @param cancelFlag shared memory of one entry; nonzero asks to stop */
  constructor(cancelFlag: Int32Array = new Int32Array(new SharedArrayBuffer(4))) {
    this.#cancelFlag = cancelFlag;
  }

  nowMs(): number {
    const [seconds, nanoseconds] = process.hrtime(this.#zero);
    return seconds * 1e3 + nanoseconds / 1e6;
  }

  waitUntil(untilMs: number): void {
    for (;;) {
      this.throwIfCancelled();
      const leftMs = untilMs - this.nowMs();
      if (leftMs <= 0) return;
      if (leftMs > SPIN_MS) Atomics.wait(this.#cancelFlag, 0, 0, leftMs - SPIN_MS);
    }
  }

  throwIfCancelled(): void {
    if (Atomics.load(this.#cancelFlag, 0) !== 0) {
      throw new ExperimentError("the run was cancelled", { code: "CANCELLED" });
    }
  }
}
