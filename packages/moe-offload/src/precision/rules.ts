import { assert } from "@fmlab/experiment";
import type { Routing } from "../offload/routing.ts";
import type { Scheduler } from "../offload/scheduler.ts";
import { rankExperts } from "../predictors/rank-experts.ts";

/**
 * What a layer's router chose for one token or for a batch of them: a `Routing` whose arrays hold
 * one row per token, `[tokenCount, ..]`; `token` and `position` are those of the first.
 */
export interface RoutedBatch extends Routing {
  tokenCount: number;
}

/**
 * Decides the precision of each use of an expert. Called once for each layer with experts of each
 * batch, by rising layer. Precisions are indices of tiers: 0 is the model's own.
 */
export interface PrecisionRule {
  /**
   * The rule needs each token by itself, as decoding gives them, because what it decides depends on
   * what earlier tokens did to later layers.
   */
  readonly isPerToken: boolean;
  /** @param tiers  output: the tier of each use, `[tokenCount, expertUsedCount]` */
  choose(batch: RoutedBatch, tiers: Uint8Array): void;
}

/** Every expert in one precision. */
export class UniformRule implements PrecisionRule {
  readonly isPerToken = false;
  readonly #tier: number;

  constructor(tier: number) {
    this.#tier = tier;
  }

  choose(_batch: RoutedBatch, tiers: Uint8Array): void {
    tiers.fill(this.#tier);
  }
}

/**
 * Which experts of a layer go in low precision: from the least popular upward while the uses so far
 * stay within `rate` of all. Experts that nobody is expected to use are not counted.
 *
 * @param counts  expected uses of each expert, `[expertCount]`
 * @param rate    share of uses that may be of low precision, 0..1 (Fate's `int2_rate`)
 * @param isLow   output, `[expertCount]`: 1 for low precision
 * @see Fate_open, the hybrid of prefill: walk from the least popular expert upward while the
 *      cumulative count is at most `int2_rate * total`. Of equals the lower number comes first,
 *      which the code leaves to the order of a dictionary.
 */
export function chooseUnpopular(counts: Float64Array, rate: number, isLow: Uint8Array): void {
  isLow.fill(0);
  const experts = Array.from(counts.keys()).filter((expert) => (counts[expert] ?? 0) > 0);
  experts.sort((a, b) => (counts[a] ?? 0) - (counts[b] ?? 0) || a - b);
  const total = experts.reduce((sum, expert) => sum + (counts[expert] ?? 0), 0);
  let cumulative = 0;
  for (const expert of experts) {
    cumulative += counts[expert] ?? 0;
    if (cumulative > rate * total) return;
    isLow[expert] = 1;
  }
}

/** The two precisions a rule mixes, as tiers. */
export interface TierPair {
  readonly high: number;
  readonly low: number;
}

/**
 * Fate's popularity-aware mixture for prefill. The layer before predicts the uses of each expert by
 * the cross-layer gate over all tokens of the batch; the unpopular ones go in low precision. The
 * first layer with experts, of which nothing is predicted, stays in the model's own precision;
 * experts that were used but not predicted are of high precision.
 *
 * @see Fate_open (`int2_rate` 0.3 for Qwen and Mixtral, 0.5 for DeepSeek; layer 0 stays fp16)
 */
export class PopularityMixture implements PrecisionRule {
  readonly isPerToken = false;
  readonly #tiers: TierPair;
  readonly #rate: number;
  readonly #usedCount: number;
  readonly #counts: Float64Array;
  readonly #isLow: Uint8Array;
  /** The layer `#counts` is about; -1 when nothing is predicted. */
  #predicted = -1;

  constructor(
    shape: { readonly expertCount: number; readonly expertUsedCount: number },
    tiers: TierPair,
    rate: number,
  ) {
    this.#tiers = tiers;
    this.#rate = rate;
    this.#usedCount = shape.expertUsedCount;
    this.#counts = new Float64Array(shape.expertCount);
    this.#isLow = new Uint8Array(shape.expertCount);
  }

  choose({ layer, experts, ahead }: RoutedBatch, tiers: Uint8Array): void {
    const { high, low } = this.#tiers;
    if (this.#predicted === layer) {
      chooseUnpopular(this.#counts, this.#rate, this.#isLow);
      for (let i = 0; i < experts.length; i++) {
        tiers[i] = this.#isLow[experts[i] ?? 0] === 1 ? low : high;
      }
    } else tiers.fill(0);
    const next = ahead[0];
    this.#predicted = next === undefined ? -1 : layer + 1;
    if (next !== undefined) this.#count(next);
  }

  /** Counts the top-k of each token's row. */
  #count(logits: Float32Array): void {
    const expertCount = this.#counts.length;
    const best = new Int32Array(this.#usedCount);
    this.#counts.fill(0);
    for (let first = 0; first < logits.length; first += expertCount) {
      rankExperts(logits.subarray(first, first + expertCount), this.#usedCount, best);
      for (const expert of best) this.#counts[expert] = (this.#counts[expert] ?? 0) + 1;
    }
  }
}

/** What a simulation of misses is made of. */
export interface MissSimulation {
  /** Over a lane whose loads end at once; it must serve nobody else. */
  readonly scheduler: Scheduler;
  readonly shape: { readonly expertCount: number };
  /** Likeliest experts of the next layer, by the cross-layer gate, that are prefetched in time. */
  readonly prefetchWidth: number;
}

/**
 * Low precision for experts that would have to be waited for: a scheduler with its policy says who
 * is resident at a budget, the cross-layer gate who was prefetched. What missed is resident for its
 * next use in high precision, since the full copy follows the low one.
 *
 * @see Fate's MindSpore release, where experts that were not prefetched are loaded as INT2
 */
export class LowOnMiss implements PrecisionRule {
  readonly isPerToken = true;
  readonly #simulation: MissSimulation;
  readonly #tiers: TierPair;
  /** Experts prefetched for layer `#namedLayer`; the first `#namedCount`. */
  readonly #named: Int32Array;
  #namedCount = 0;
  #namedLayer = -1;

  constructor(simulation: MissSimulation, tiers: TierPair) {
    this.#simulation = simulation;
    this.#tiers = tiers;
    this.#named = new Int32Array(simulation.prefetchWidth);
  }

  choose(batch: RoutedBatch, tiers: Uint8Array): void {
    assert(batch.tokenCount === 1, "residency is simulated token by token");
    const { experts, layer } = batch;
    const { scheduler, shape } = this.#simulation;
    for (let i = 0; i < experts.length; i++) {
      const expert = experts[i] ?? 0;
      const isThere =
        scheduler.isResident(layer * shape.expertCount + expert) ||
        this.#isPrefetched(layer, expert);
      tiers[i] = isThere ? this.#tiers.high : this.#tiers.low;
    }
    scheduler.request(batch);
    scheduler.release();
    const next = batch.ahead[0];
    this.#namedLayer = next === undefined ? -1 : layer + 1;
    if (next) this.#namedCount = rankExperts(next, this.#named.length, this.#named);
  }

  #isPrefetched(layer: number, expert: number): boolean {
    if (this.#namedLayer !== layer) return false;
    for (let i = 0; i < this.#namedCount; i++) if (this.#named[i] === expert) return true;
    return false;
  }
}
