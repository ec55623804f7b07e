import type { Prng } from "@fmlab/sim";
import type { RoutingShape } from "../offload/routing.ts";
import { rankExperts } from "../predictors/rank-experts.ts";

/** Numbers in a latent state; chosen: fewer tie experts together more, more cost more. */
const LATENT_LENGTH = 16;
/** States a step of a fit looks at, and steps of it; chosen. */
const FIT_STATES = 400;
const FIT_STEPS = 24;
const BISECTIONS = 14;

/**
 * The routers of an imagined model. A token's state in a layer is a Gaussian vector; a router is a
 * random matrix with rows of length 1 and a bias for each domain, so that every logit without its
 * bias is a standard normal number. Biases make experts popular; how alike two states are decides
 * how alike their choices are, be they of two tokens (locality) or of two layers (cross-layer gate).
 */
export class LatentRouter {
  readonly shape: RoutingShape;
  /** By place in `shape.moeLayers`: `[expertCount, LATENT_LENGTH]`, row-major. */
  readonly #weights: readonly Float32Array[];
  /** By domain, then by place: `[expertCount]`. */
  readonly #biases: Float64Array[][];
  readonly #ranked: Int32Array;
  readonly #scores: Float32Array;

  constructor(shape: RoutingShape, domainCount: number, prng: Prng) {
    this.shape = shape;
    this.#weights = shape.moeLayers.map((layer) => unitRows(shape.expertCount, prng.fork(layer)));
    this.#biases = Array.from({ length: domainCount }, () =>
      shape.moeLayers.map(() => new Float64Array(shape.expertCount)),
    );
    this.#ranked = new Int32Array(shape.expertCount);
    this.#scores = new Float32Array(shape.expertCount);
  }

  /** Numbers in a state. */
  get latentLength(): number {
    return LATENT_LENGTH;
  }

  /** Logits of one layer's router for a state, `[expertCount]`. */
  logits(domain: number, index: number, state: Float64Array, out: Float32Array): void {
    const weights = this.#weights[index];
    const bias = this.#biases[domain]?.[index];
    if (weights === undefined || bias === undefined) return;
    for (let expert = 0, at = 0; expert < out.length; expert++) {
      let sum = bias[expert] ?? 0;
      for (let i = 0; i < LATENT_LENGTH; i++) sum += (weights[at++] ?? 0) * (state[i] ?? 0);
      out[expert] = sum;
    }
  }

  /**
   * Sets the biases of one domain and layer so that experts get the wanted shares of selections:
   * stochastic approximation with fresh states, the mean of the later half of the steps.
   *
   * @param shares  `[expertCount]`, above 0, sum 1
   */
  fitBias(domain: number, index: number, shares: Float64Array, prng: Prng): void {
    const bias = this.#biases[domain]?.[index];
    if (bias === undefined) return;
    const { expertCount, expertUsedCount } = this.shape;
    const state = new Float64Array(LATENT_LENGTH);
    const counts = new Float64Array(expertCount);
    const mean = new Float64Array(expertCount);
    for (let i = 0; i < expertCount; i++) bias[i] = Math.log(expertCount * (shares[i] ?? 1)) / 2;
    for (let step = 0; step < FIT_STEPS; step++) {
      // Half a selection too many, so that the logarithm is finite.
      counts.fill(0.5);
      for (let n = 0; n < FIT_STATES; n++) {
        fillNormal(state, prng);
        this.#choose(domain, index, state);
        for (let i = 0; i < expertUsedCount; i++) {
          const expert = this.#ranked[i] ?? 0;
          counts[expert] = (counts[expert] ?? 0) + 1;
        }
      }
      const rate = 0.8 / (1 + step / 6);
      for (let i = 0; i < expertCount; i++) {
        const wanted = FIT_STATES * expertUsedCount * (shares[i] ?? 0) + 0.5;
        bias[i] = (bias[i] ?? 0) + rate * Math.log(wanted / (counts[i] ?? 1));
        if (step >= FIT_STEPS / 2) mean[i] = (mean[i] ?? 0) + (bias[i] ?? 0) / (FIT_STEPS / 2);
      }
    }
    bias.set(mean);
  }

  /**
   * Correlation of two states at which their choices in a layer overlap as wanted.
   *
   * @param overlap  share of k experts that both choose, 0 to 1
   * @returns 0 to 1; 0 when states that have nothing in common overlap more already
   */
  correlationFor(index: number, overlap: number, prng: Prng): number {
    let low = 0;
    let high = 1;
    for (let step = 0; step < BISECTIONS; step++) {
      const middle = (low + high) / 2;
      // The same random numbers for each guess, so that the overlap only grows with it.
      if (this.overlapAt(index, middle, prng.fork("pairs")) < overlap) low = middle;
      else high = middle;
    }
    return high < 2 ** (1 - BISECTIONS) ? 0 : (low + high) / 2;
  }

  /** Mean overlap of choices in a layer of states of a correlation, over all domains. */
  overlapAt(index: number, correlation: number, prng: Prng): number {
    const { expertUsedCount: used } = this.shape;
    const first = new Float64Array(LATENT_LENGTH);
    const second = new Float64Array(LATENT_LENGTH);
    const rest = Math.sqrt(1 - correlation * correlation);
    const chosen = new Int32Array(used);
    let both = 0;
    for (let n = 0; n < FIT_STATES; n++) {
      const domain = n % this.#biases.length;
      fillNormal(first, prng);
      fillNormal(second, prng);
      this.#choose(domain, index, first);
      chosen.set(this.#ranked.subarray(0, used));
      for (let i = 0; i < LATENT_LENGTH; i++) {
        second[i] = correlation * (first[i] ?? 0) + rest * (second[i] ?? 0);
      }
      this.#choose(domain, index, second);
      for (let i = 0; i < used; i++) if (chosen.includes(this.#ranked[i] ?? -1)) both++;
    }
    return both / (FIT_STATES * used);
  }

  #choose(domain: number, index: number, state: Float64Array): void {
    this.logits(domain, index, state, this.#scores);
    rankExperts(this.#scores, this.shape.expertUsedCount, this.#ranked);
  }
}

/** Fills a state with independent standard normal numbers. */
export function fillNormal(state: Float64Array, prng: Prng): void {
  for (let i = 0; i < state.length; i++) state[i] = prng.normal();
}

function unitRows(rows: number, prng: Prng): Float32Array {
  const weights = new Float32Array(rows * LATENT_LENGTH);
  for (let row = 0; row < rows; row++) {
    const drawn = Float64Array.from({ length: LATENT_LENGTH }, () => prng.normal());
    const length = Math.hypot(...drawn);
    drawn.forEach((value, i) => {
      weights[row * LATENT_LENGTH + i] = value / length;
    });
  }
  return weights;
}
