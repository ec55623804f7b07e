import { SimError } from "./errors.ts";

/** Where code reads the time. Research code takes one instead of asking the machine. */
export interface Clock {
  /** Milliseconds since the clock's own zero; never falls. */
  nowMs(): number;
}

/** A clock that stands still until it is told to go on. Starts at 0. */
export class VirtualClock implements Clock {
  #nowMs = 0;

  nowMs(): number {
    return this.#nowMs;
  }

  /** @throws SimError `BAD_TIME` when `atMs` lies in the past or is not finite */
  advanceTo(atMs: number): void {
    if (!(atMs >= this.#nowMs && Number.isFinite(atMs))) {
      throw new SimError(
        `time cannot go from ${this.#nowMs} ms to ${atMs} ms; it must be finite and not fall`,
        { code: "BAD_TIME", atMs, nowMs: this.#nowMs },
      );
    }
    this.#nowMs = atMs;
  }
}
