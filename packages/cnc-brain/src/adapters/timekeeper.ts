import { setTimeout as wait } from "node:timers/promises";
import type { Clock } from "@fmlab/sim";

/**
 * Time for those parts that act on a real cluster. It is given to them, as everywhere; only whoever
 * starts a server reads the machine's clocks.
 */
export interface Timekeeper extends Clock {
  /** Milliseconds since 1970 by the machine's clock, for time stamps; may jump. */
  wallMs(): number;
  /** Waits; ends early, without an error, when the signal is aborted. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** A timekeeper over two clocks, which waits by the event loop's timers. */
export function timekeeper(nowMs: () => number, wallMs: () => number): Timekeeper {
  return {
    nowMs,
    wallMs,
    async sleep(ms, signal) {
      if (signal?.aborted) return;
      try {
        await wait(Math.max(0, ms), undefined, { signal, ref: true });
      } catch (error) {
        if (!signal?.aborted) throw error;
      }
    },
  };
}
