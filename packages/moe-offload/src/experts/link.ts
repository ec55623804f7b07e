import { MoeError } from "../errors.ts";
import type { WaitClock } from "./clock.ts";

/** A link's speed. */
export interface LinkOptions {
  /** 1 MB/s = 1,000,000 bytes a second; 0 imposes no limit. */
  bandwidthMBps: number;
  /** Delay before the first byte of each transfer, microseconds. */
  latencyUs: number;
}

/** When a transfer began and ended, ms of the link's clock. */
export interface Transfer {
  startMs: number;
  endMs: number;
}

/**
 * Emulates a slower link on top of real reads: none ends earlier than latency + bytes / bandwidth
 * after it began. A read that is slower than that is not slowed further. Synchronous, hence one
 * transfer at a time in the order asked for (a FIFO of one).
 */
export class Link {
  readonly options: LinkOptions;
  #clock: WaitClock;

  /** @throws MoeError `BAD_SETTING` */
  constructor(options: LinkOptions, clock: WaitClock) {
    for (const [setting, value] of Object.entries(options)) {
      if (!(value >= 0 && Number.isFinite(value))) {
        throw new MoeError(`link.${setting} is ${value}, expected a number of at least 0.`, {
          code: "BAD_SETTING",
          setting: `link.${setting}`,
          value,
          expected: "a number of at least 0",
        });
      }
    }
    this.options = options;
    this.#clock = clock;
  }

  /** Shortest time one transfer of that size takes, ms. */
  durationMs(bytes: number): number {
    const { bandwidthMBps, latencyUs } = this.options;
    return latencyUs / 1e3 + (bandwidthMBps > 0 ? bytes / (bandwidthMBps * 1e3) : 0);
  }

  /**
   * Runs `read`, which moves `bytes` bytes, as one transfer and returns when it has ended.
   *
   * @throws whatever `read` throws, and what the clock's wait throws
   */
  transfer(bytes: number, read: () => void): Transfer {
    const startMs = this.#clock.nowMs();
    read();
    this.#clock.waitUntil(startMs + this.durationMs(bytes));
    return { startMs, endMs: this.#clock.nowMs() };
  }
}
