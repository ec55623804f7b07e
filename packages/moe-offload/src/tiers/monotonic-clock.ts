/**
 * The machine's monotonic clock, one for all threads of the process: clocks made with the same zero
 * tell the same time everywhere. Only this file of the tiers reads it.
 */
export class MonotonicClock {
  /** Where its zero lies, as `process.hrtime()` counts; pass it on to clocks in other threads. */
  readonly zero: readonly [number, number];
  readonly #zero: [number, number];

  /** @param zero a time of `process.hrtime()`; default: now */
  constructor(zero: readonly [number, number] = process.hrtime()) {
    this.#zero = [zero[0], zero[1]];
    this.zero = zero;
  }

  /** Milliseconds since the zero; never falls. One call costs some 50 ns. */
  nowMs(): number {
    const [seconds, nanoseconds] = process.hrtime(this.#zero);
    return seconds * 1e3 + nanoseconds / 1e6;
  }
}
