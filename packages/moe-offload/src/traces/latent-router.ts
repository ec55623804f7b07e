import type { Prng } from "@fmlab/sim";
import type { RoutingShape } from "../offload/routing.ts";

/** Numbers in a latent state; chosen: fewer tie experts together more, more cost more. */
const LATENT_LENGTH = 16;

/**
 * The routers of an imagined model. A token's state in a layer is a Gaussian vector; a router is a
 * random matrix with rows of length 1 and a bias for each domain, so that every logit without its
 * bias is a standard normal number. Biases make experts popular; how alike two states are decides
 * how alike their choices are, be they of two tokens (locality) or two layers (cross-layer gate).
 */
export class LatentRouter {
  readonly shape: RoutingShape;
  /** By domain, then by place in `shape.moeLayers`: `[expertCount]`. */
  readonly biases: readonly (readonly Float64Array[])[];
  /** By place: `[expertCount, LATENT_LENGTH]`, row-major. */
  readonly #weights: readonly Float32Array[];

  constructor(shape: RoutingShape, domainCount: number, prng: Prng) {
    this.shape = shape;
    this.#weights = shape.moeLayers.map((layer) => unitRows(shape.expertCount, prng.fork(layer)));
    this.biases = Array.from({ length: domainCount }, () =>
      shape.moeLayers.map(() => new Float64Array(shape.expertCount)),
    );
  }

  /** Numbers in a state. */
  get latentLength(): number {
    return LATENT_LENGTH;
  }

  /** Logits of one layer's router for a state, without biases, `[expertCount]`. */
  project(index: number, state: Float64Array, out: Float32Array): void {
    const weights = this.#weights[index];
    if (weights === undefined) return;
    for (let expert = 0, at = 0; expert < out.length; expert++) {
      let sum = 0;
      for (let i = 0; i < LATENT_LENGTH; i++) sum += (weights[at++] ?? 0) * (state[i] ?? 0);
      out[expert] = sum;
    }
  }

  /** Logits of one layer's router in a domain, `[expertCount]`. */
  logits(domain: number, index: number, state: Float64Array, out: Float32Array): void {
    this.project(index, state, out);
    const bias = this.biases[domain]?.[index];
    for (let i = 0; i < out.length; i++) out[i] = (out[i] ?? 0) + (bias?.[i] ?? 0);
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
