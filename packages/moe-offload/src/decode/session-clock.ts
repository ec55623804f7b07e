import { ExperimentError } from "@fmlab/experiment";
import { MonotonicClock } from "../tiers/monotonic-clock.ts";

/** The machine's time and the order to stop, as a compute thread sees them. */
export class SessionClock {
  /** The clock that all threads of the session share. */
  readonly monotonic = new MonotonicClock();
  /** Shared memory of one entry; nonzero asks to stop. */
  readonly cancelFlag: Int32Array;

  constructor(cancelFlag: Int32Array = new Int32Array(new SharedArrayBuffer(4))) {
    this.cancelFlag = cancelFlag;
  }

  /** Milliseconds since the clock was made; never falls. */
  nowMs(): number {
    return this.monotonic.nowMs();
  }

  /** @throws ExperimentError `CANCELLED` when the work was cancelled */
  throwIfCancelled(): void {
    if (Atomics.load(this.cancelFlag, 0) !== 0) {
      throw new ExperimentError("the run was cancelled", { code: "CANCELLED" });
    }
  }
}
