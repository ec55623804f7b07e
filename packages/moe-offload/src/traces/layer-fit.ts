import type { Prng } from "@fmlab/sim";
import { rankExperts } from "../predictors/rank-experts.ts";
import { fillNormal, type LatentRouter } from "./latent-router.ts";

/** States that a layer is fitted on; what they miss of a share is its sampling error, about 5 %. */
const POOL_STATES = 4000;
/** Steps of the fit of biases, and states that each looks at. */
const BIAS_STEPS = 16;
const STEP_STATES = POOL_STATES / 8;
/** Pairs of states in a fit of overlap, and halvings of the interval. */
const PAIRS = 500;
const BISECTIONS = 12;
/** States in a fit of sharpness. */
const SHARPNESS_STATES = 100;
const SHARPNESS_MAX = 64;

/**
 * Fits one layer of an imagined model. It draws states once and keeps their logits; since routers
 * are linear, those of states of any correlation follow from them.
 */
export class LayerFit {
  readonly #router: LatentRouter;
  readonly #index: number;
  /** Logits without biases, `[POOL_STATES, expertCount]`. */
  readonly #pool: Float32Array;
  readonly #scores: Float32Array;
  readonly #ranked: Int32Array;

  constructor(router: LatentRouter, index: number, prng: Prng) {
    const { expertCount, expertUsedCount } = router.shape;
    this.#router = router;
    this.#index = index;
    this.#pool = new Float32Array(POOL_STATES * expertCount);
    this.#scores = new Float32Array(expertCount);
    this.#ranked = new Int32Array(expertUsedCount);
    const state = new Float64Array(router.latentLength);
    for (let n = 0; n < POOL_STATES; n++) {
      fillNormal(state, prng);
      router.project(index, state, this.#pool.subarray(n * expertCount, (n + 1) * expertCount));
    }
  }

  /**
   * Sets the biases of a domain so that experts get the wanted shares of selections: stochastic
   * approximation, the mean of the later half of the steps.
   *
   * @param shares  `[expertCount]`, above 0, sum 1
   */
  fitBias(domain: number, shares: Float64Array): void {
    const bias = this.#router.biases[domain]?.[this.#index];
    if (bias === undefined) return;
    const { expertCount, expertUsedCount } = this.#router.shape;
    const counts = new Float64Array(expertCount);
    const mean = new Float64Array(expertCount);
    for (let i = 0; i < expertCount; i++) bias[i] = Math.log(expertCount * (shares[i] ?? 1)) / 2;
    for (let step = 0; step < BIAS_STEPS; step++) {
      // Half a selection too many on both sides, so that the logarithm is finite.
      counts.fill(0.5);
      for (let n = 0; n < STEP_STATES; n++) {
        this.#choose((step * STEP_STATES + n) % POOL_STATES, bias);
        for (const expert of this.#ranked) counts[expert] = (counts[expert] ?? 0) + 1;
      }
      const rate = 1 / (1 + step / 4);
      for (let i = 0; i < expertCount; i++) {
        const wanted = STEP_STATES * expertUsedCount * (shares[i] ?? 0) + 0.5;
        bias[i] = (bias[i] ?? 0) + rate * Math.log(wanted / (counts[i] ?? 1));
        if (step >= BIAS_STEPS / 2) mean[i] = (mean[i] ?? 0) + (bias[i] ?? 0) / (BIAS_STEPS / 2);
      }
    }
    bias.set(mean);
  }

  /**
   * Correlation of two states at which their choices overlap as wanted.
   *
   * @param overlap  share of k experts that both choose, 0 to 1
   * @returns 0 to 1; 0 when states that have nothing in common overlap more already
   */
  correlationFor(overlap: number): number {
    if (overlap >= 1) return 1;
    if (this.overlapAt(0) >= overlap) return 0;
    let low = 0;
    let high = 1;
    for (let step = 0; step < BISECTIONS; step++) {
      const middle = (low + high) / 2;
      if (this.overlapAt(middle) < overlap) low = middle;
      else high = middle;
    }
    return (low + high) / 2;
  }

  /** Mean overlap of the choices of states of a correlation, over all domains. */
  overlapAt(correlation: number): number {
    const { biases, shape } = this.#router;
    const rest = Math.sqrt(1 - correlation * correlation);
    const first = new Int32Array(shape.expertUsedCount);
    let both = 0;
    for (let pair = 0; pair < PAIRS; pair++) {
      const bias = biases[pair % biases.length]?.[this.#index] ?? new Float64Array(0);
      this.#choose(pair, bias);
      first.set(this.#ranked);
      this.#choose(pair, bias, correlation, rest);
      for (const expert of this.#ranked) if (first.includes(expert)) both++;
    }
    return both / (PAIRS * shape.expertUsedCount);
  }

  /**
   * Factor of the logits at which a softmax gives the k choices so much probability on average.
   *
   * @param mass  above k / expertCount, below 1
   */
  sharpnessFor(mass: number): number {
    let low = 0;
    let high = SHARPNESS_MAX;
    for (let step = 0; step < BISECTIONS * 2; step++) {
      const middle = (low + high) / 2;
      if (this.#massAt(middle) < mass) low = middle;
      else high = middle;
    }
    return (low + high) / 2;
  }

  #massAt(sharpness: number): number {
    const { biases } = this.#router;
    let sum = 0;
    for (let n = 0; n < SHARPNESS_STATES; n++) {
      this.#choose(n, biases[n % biases.length]?.[this.#index] ?? new Float64Array(0));
      const highest = this.#scores[this.#ranked[0] ?? 0] ?? 0;
      const weight = (i: number) => Math.exp(sharpness * ((this.#scores[i] ?? 0) - highest));
      let all = 0;
      for (let i = 0; i < this.#scores.length; i++) all += weight(i);
      sum += this.#ranked.reduce((total, expert) => total + weight(expert), 0) / all;
    }
    return sum / SHARPNESS_STATES;
  }

  /** Ranks the experts for state `n`, or for one that is a mixture of it and an unrelated one. */
  #choose(n: number, bias: Float64Array, own = 1, other = 0): void {
    const scores = this.#scores;
    const pool = this.#pool;
    const at = n * scores.length;
    const otherAt = (POOL_STATES - 1 - n) * scores.length;
    for (let i = 0; i < scores.length; i++) {
      const mixed = other === 0 ? 0 : other * (pool[otherAt + i] ?? 0);
      scores[i] = own * (pool[at + i] ?? 0) + mixed + (bias[i] ?? 0);
    }
    rankExperts(scores, this.#ranked.length, this.#ranked);
  }
}
