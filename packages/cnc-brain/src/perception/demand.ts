/** Means over 1, 5 and 15 minutes, as load averages have them. */
const HORIZONS_MS = [60_000, 300_000, 900_000] as const;

/** Arrival rates of one function, a second. */
export interface DemandRates {
  lastMinute: number;
  lastFiveMinutes: number;
  lastQuarterHour: number;
}

/** Tracks each function's arrivals as exponentially weighted rates; O(1) an arrival. */
export class DemandTracker {
  readonly #rates: Float64Array;
  readonly #sinceMs: Float64Array;

  constructor(functionCount: number) {
    this.#rates = new Float64Array(functionCount * HORIZONS_MS.length);
    this.#sinceMs = new Float64Array(functionCount);
  }

  /** A request of the function arrived. */
  observe(functionIndex: number, nowMs: number): void {
    this.#decay(functionIndex, nowMs);
    HORIZONS_MS.forEach((horizonMs, h) => {
      const at = functionIndex * HORIZONS_MS.length + h;
      this.#rates[at] = (this.#rates[at] as number) + 1000 / horizonMs;
    });
  }

  /** Rates as of now. */
  rates(functionIndex: number, nowMs: number): DemandRates {
    this.#decay(functionIndex, nowMs);
    const at = functionIndex * HORIZONS_MS.length;
    const [lastMinute = 0, lastFiveMinutes = 0, lastQuarterHour = 0] = this.#rates.slice(
      at,
      at + 3,
    );
    return { lastMinute, lastFiveMinutes, lastQuarterHour };
  }

  #decay(functionIndex: number, nowMs: number): void {
    const passedMs = nowMs - (this.#sinceMs[functionIndex] as number);
    this.#sinceMs[functionIndex] = nowMs;
    HORIZONS_MS.forEach((horizonMs, h) => {
      const at = functionIndex * HORIZONS_MS.length + h;
      this.#rates[at] = (this.#rates[at] as number) * Math.exp(-passedMs / horizonMs);
    });
  }
}
