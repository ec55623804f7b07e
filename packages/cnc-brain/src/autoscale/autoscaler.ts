/** What an autoscaler is told at each of its ticks. */
export interface ScaleObservation {
  nowMs: number;
  /** Replicas that can take requests. */
  ready: number;
  /** Replicas wanted by the last decision, those being started included. */
  wanted: number;
  /** Requests in the system, running and waiting, mean since the last tick. */
  concurrency: number;
  /** Arrivals since the last tick. */
  ratePerSecond: number;
  /** Busy share of the ready replicas' capacity since the last tick, 0..1. */
  utilisation: number;
}

/** Decides how many replicas of one function there should be. */
export interface Autoscaler {
  readonly name: string;
  readonly tickMs: number;
  /** Number of replicas wanted from now on; bounded by whoever asks. */
  desired(observation: ScaleObservation): number;
}

/** Mean of a signal over sliding windows. */
export class WindowMean {
  readonly #times: number[] = [];
  readonly #values: number[] = [];

  constructor(readonly windowMs: number) {}

  add(nowMs: number, value: number): void {
    this.#times.push(nowMs);
    this.#values.push(value);
    while (this.#times.length > 0 && (this.#times[0] as number) <= nowMs - this.windowMs) {
      this.#times.shift();
      this.#values.shift();
    }
  }

  /** Mean of what was added within the window; 0 of nothing. */
  mean(): number {
    const count = this.#values.length;
    return count === 0 ? 0 : this.#values.reduce((a, b) => a + b, 0) / count;
  }
}
