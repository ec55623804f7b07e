import { requireSetting } from "../errors.ts";
import { type KeepAliveFactory, type KeepPlan, keepFor } from "./keep-alive-policy.ts";

const BIN_MS = 60_000;
/** Range of the histogram as published, minutes. */
export const HISTOGRAM_MINUTES = 240;
const HEAD_SHARE = 0.05;
const TAIL_SHARE = 0.99;
const HEAD_MARGIN = 0.9;
const TAIL_MARGIN = 1.1;
/** Idle times whose variance over mean (minutes) is above tell nothing. */
const DISPERSION_MAX = 2;
/** Kept while nothing is known, over the histogram's range: two hours of four. */
const UNKNOWN_SHARE = 0.5;

/** Idle times of one function, in bins of a minute. */
export class IdleHistogram {
  readonly #bins: Uint32Array;
  #count = 0;
  #mean = 0;
  #squares = 0;

  constructor(rangeMinutes = HISTOGRAM_MINUTES) {
    this.#bins = new Uint32Array(rangeMinutes);
  }

  /** Idle times of the range and more are ignored. */
  add(idleMs: number): void {
    const bin = Math.floor(idleMs / BIN_MS);
    if (bin >= this.#bins.length) return;
    this.#bins[bin] = (this.#bins[bin] as number) + 1;
    const minutes = idleMs / BIN_MS;
    this.#count++;
    const difference = minutes - this.#mean;
    this.#mean += difference / this.#count;
    this.#squares += difference * (minutes - this.#mean);
  }

  /** Variance over mean of the idle times in minutes is small enough to go by. */
  get isRepresentative(): boolean {
    if (this.#count === 0) return false;
    return this.#mean === 0 || this.#squares / this.#count / this.#mean <= DISPERSION_MAX;
  }

  /**
   * When to have a container ready and how long to keep it: 90 % of the 5th percentile (its bin's
   * start) to 110 % of the 99th (its bin's end); half the range while nothing is known.
   */
  plan(): KeepPlan {
    if (!this.isRepresentative) return keepFor(UNKNOWN_SHARE * this.#bins.length * BIN_MS);
    const headMs = this.#binAt(HEAD_SHARE) * BIN_MS * HEAD_MARGIN;
    const tailMs = (this.#binAt(TAIL_SHARE) + 1) * BIN_MS * TAIL_MARGIN;
    if (headMs === 0) return keepFor(tailMs);
    return { keepMs: 0, prewarmMs: headMs, prewarmKeepMs: tailMs - headMs };
  }

  #binAt(share: number): number {
    let left = share * this.#count;
    for (let bin = 0; bin < this.#bins.length; bin++) {
      left -= this.#bins[bin] as number;
      if (left <= 0) return bin;
    }
    return this.#bins.length - 1;
  }
}

/**
 * The hybrid histogram policy of Azure Functions, without its ARIMA for idle times beyond four
 * hours: those functions are kept two hours, as in FaasCache's simulator. Its dial is the range of
 * the histogram, four hours as published.
 *
 * @throws CncError `BAD_SETTING`
 * @see Shahrad et al. 2020, Serverless in the Wild (USENIX ATC), section 4.2; paper notes, 3.5
 */
export function hybridHistogramKeepAlive(rangeMinutes = HISTOGRAM_MINUTES): KeepAliveFactory {
  const isWhole = Number.isInteger(rangeMinutes) && rangeMinutes >= 1;
  requireSetting(isWhole, "rangeMinutes", rangeMinutes, "a whole number of at least 1");
  return (functions) => {
    const histograms = functions.map(() => new IdleHistogram(rangeMinutes));
    const idleSinceMs = new Float64Array(functions.length).fill(Number.NaN);
    return {
      name: "hybrid-histogram",
      onArrival(fn, nowMs) {
        const since = idleSinceMs[fn] as number;
        if (!Number.isNaN(since)) histograms[fn]?.add(nowMs - since);
        idleSinceMs[fn] = Number.NaN;
      },
      onIdle(container, nowMs) {
        const fn = container.functionIndex;
        idleSinceMs[fn] = nowMs;
        container.priority = nowMs;
        return (histograms[fn] as IdleHistogram).plan();
      },
    };
  };
}
