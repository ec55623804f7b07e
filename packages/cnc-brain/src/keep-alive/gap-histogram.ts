import type { KeepPlan } from "./keep-alive-policy.ts";

/** Bins grow by 5 % from a second to about 24 hours; what is longer counts as never. */
const FIRST_EDGE_MS = 1000;
const GROWTH = 1.05;
const BIN_COUNT = 234;
const BINS_PER_LOG = 1 / Math.log(GROWTH);
/** Beyond this weight the past is halved, so that a function may change its ways. */
const WEIGHT_MAX = 400;

/** Ends of the bins, ms: bin i is [edge i, edge i + 1). */
export const GAP_EDGES_MS = Float64Array.from({ length: BIN_COUNT + 1 }, (_, i) =>
  i === 0 ? 0 : FIRST_EDGE_MS * GROWTH ** (i - 1),
);

/** How long containers were idle before they were used again, with the share never used again. */
export class GapHistogram {
  readonly weights = new Float64Array(BIN_COUNT);
  never = 0;
  total = 0;
  /** Of the gaps' bin numbers: sum and sum of squares, for the spread. */
  #sum = 0;
  #squares = 0;
  /** The smoothed weights, until the next gap. */
  #smooth: Float64Array | undefined;

  add(gapMs: number, weight = 1): void {
    const bin = binOf(gapMs);
    this.#smooth = undefined;
    this.total += weight;
    if (bin >= BIN_COUNT) {
      this.never += weight;
      return;
    }
    this.weights[bin] = (this.weights[bin] as number) + weight;
    this.#sum += weight * bin;
    this.#squares += weight * bin * bin;
    if (this.total > WEIGHT_MAX) this.#halve();
  }

  /** Takes back one gap that had been counted as endless. */
  removeNever(): void {
    if (this.never < 1) return;
    this.never--;
    this.total--;
  }

  /**
   * The weights with each gap spread around where it was seen, in the logarithm of time, the wider
   * the fewer and the more scattered they are: a handful of gaps is no reason to expect exactly
   * these. Silverman's rule, with one made-up gap a factor e away so that two equal ones prove
   * little. Do not change the result.
   */
  smoothed(): Float64Array {
    this.#smooth ??= this.#smoothNow();
    return this.#smooth;
  }

  #smoothNow(): Float64Array {
    const smooth = new Float64Array(BIN_COUNT);
    const count = this.total - this.never;
    if (count <= 0) return smooth;
    const mean = this.#sum / count;
    const variance = Math.max(0, this.#squares / count - mean * mean);
    const spread = Math.sqrt((variance * count + BINS_PER_LOG ** 2) / (count + 1));
    const width = Math.max(0.5, 1.06 * spread * count ** -0.2);
    const reach = Math.ceil(3 * width);
    const kernel = Float64Array.from({ length: 2 * reach + 1 }, (_, k) =>
      Math.exp(-((k - reach) ** 2) / (2 * width * width)),
    );
    const kernelSum = kernel.reduce((a, b) => a + b, 0);
    for (let bin = 0; bin < BIN_COUNT; bin++) {
      const weight = this.weights[bin] as number;
      if (weight === 0) continue;
      for (let k = -reach; k <= reach; k++) {
        // What would fall off either end stays in the last bin there.
        const to = Math.min(BIN_COUNT - 1, Math.max(0, bin + k));
        const part = (weight * (kernel[k + reach] as number)) / kernelSum;
        smooth[to] = (smooth[to] as number) + part;
      }
    }
    return smooth;
  }

  #halve(): void {
    for (let bin = 0; bin < BIN_COUNT; bin++) {
      this.weights[bin] = (this.weights[bin] as number) / 2;
    }
    this.never /= 2;
    this.total /= 2;
    this.#sum /= 2;
    this.#squares /= 2;
  }
}

function binOf(gapMs: number): number {
  if (gapMs < FIRST_EDGE_MS) return 0;
  return Math.min(BIN_COUNT, 1 + Math.floor(Math.log(gapMs / FIRST_EDGE_MS) * BINS_PER_LOG));
}

/** What a plan is weighed by. */
export interface KeepPrices {
  /** What a cold start costs whoever waits for it. */
  coldStartMs: number;
  /** What a second of this container's memory costs, in the same milliseconds. */
  msPerSecond: number;
}

/** Chances of the next use: a weight for each bin, and the weight of never. */
export interface GapChances {
  weights: Float64Array;
  total: number;
}

/** What was seen, smoothed, with `priorWeight` observations' worth of what is assumed. */
export function mixGaps(seen: GapHistogram, prior: GapHistogram, priorWeight: number): GapChances {
  const scale = prior.total > 0 ? priorWeight / prior.total : 0;
  const assumed = prior.smoothed();
  const weights = seen.smoothed().map((weight, bin) => weight + scale * (assumed[bin] as number));
  return { weights, total: Math.max(1e-9, seen.total + scale * prior.total) };
}

/** A plan and its worth: expected cold-start time saved less memory paid, ms per idle period. */
export interface WorthwhilePlan extends KeepPlan {
  worthMs: number;
}

/**
 * The best plan of two windows, [0, a) and [i, j) with i >= a: kept at first, let go, started again
 * ahead of need. A window's worth is the chance of a use inside x the cold start, less the memory
 * held there until use or end; the second also pays for its start.
 *
 * Keeping while hazard x cold start / memory >= price is the same rule in continuous time; by
 * windows it also holds where the hazard rises again (clocks). With S(x) = what keeping from 0 to x
 * is worth, a window [i, j) is worth S(j) - S(i), so one pass from the end finds the best.
 *
 * Cost: O(bins).
 */
export function bestPlan({ weights, total }: GapChances, prices: KeepPrices): WorthwhilePlan {
  const { coldStartMs, msPerSecond } = prices;
  const perMs = msPerSecond / 1000;
  const edge = (bin: number) => GAP_EDGES_MS[bin] as number;
  const worthTo = new Float64Array(BIN_COUNT + 1);
  const usedBy = new Float64Array(BIN_COUNT + 1);
  let moment = 0;
  for (let bin = 0; bin < BIN_COUNT; bin++) {
    const weight = weights[bin] as number;
    usedBy[bin + 1] = (usedBy[bin] as number) + weight;
    moment += (weight * (edge(bin) + edge(bin + 1))) / 2;
    const held = moment + edge(bin + 1) * (total - (usedBy[bin + 1] as number));
    worthTo[bin + 1] = coldStartMs * (usedBy[bin + 1] as number) - perMs * held;
  }
  let plan = { worthMs: Number.NEGATIVE_INFINITY, keepMs: 0, prewarmMs: -1, prewarmKeepMs: 0 };
  let bestEnd = BIN_COUNT;
  let second = { worth: 0, from: -1, to: -1 };
  for (let a = BIN_COUNT; a >= 0; a--) {
    // A second window that begins at `a` or later.
    if ((worthTo[a] as number) > (worthTo[bestEnd] as number)) bestEnd = a;
    const startCost = perMs * coldStartMs * (total - (usedBy[a] as number));
    const worth = (worthTo[bestEnd] as number) - (worthTo[a] as number) - startCost;
    if (a > 0 && worth > second.worth) second = { worth, from: a, to: bestEnd };
    const worthMs = ((worthTo[a] as number) + second.worth) / total;
    if (worthMs < plan.worthMs) continue;
    const { from, to } = second;
    plan = {
      worthMs,
      keepMs: edge(a),
      prewarmMs: from < 0 ? -1 : edge(from),
      prewarmKeepMs: from < 0 ? 0 : edge(to) - edge(from),
    };
  }
  return plan;
}
