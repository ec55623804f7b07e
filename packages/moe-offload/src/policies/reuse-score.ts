import { assert } from "@fmlab/experiment";
import type { ExpertKey, Routing, RoutingShape } from "../offload/routing.ts";
import type { ReuseModel } from "./policy.ts";

/** Decay per token where no model was learned; measured best of .02 and .05 on held-out prose. */
const FALLBACK_RATE = 0.05;

/**
 * For each expert an estimate of how soon and how often it will be used:
 * `score = sum over rates a of EMA_a(W_a sqrt(p)) + W_0 sqrt(p) + b`, with `p` the router's
 * probabilities. The averages run over each layer's tokens; they are taken of `sqrt(p)` itself and
 * mapped when a score is asked for, which is the same and costs nothing where nobody has to leave.
 * Layers without a model fall back to `EMA_0.05(sqrt(p))`. Allocates nothing while it runs.
 */
export class ReuseScore {
  /** By key: the score as of the last `refresh` of that key. */
  readonly values: Float64Array;
  readonly #expertCount: number;
  readonly #layers: readonly (LayerScore | undefined)[];

  constructor(shape: RoutingShape, model: ReuseModel | undefined) {
    const { expertCount, layerCount } = shape;
    this.#expertCount = expertCount;
    this.values = new Float64Array(layerCount * expertCount);
    this.#layers = Array.from({ length: layerCount }, (_, layer) =>
      shape.moeLayers.includes(layer) ? new LayerScore(layer, expertCount, model) : undefined,
    );
  }

  /** Takes in what the router of one layer said of one token. */
  update({ layer, probabilities }: Routing): void {
    this.#layers[layer]?.update(probabilities);
  }

  /** Brings the scores of these keys up to date. */
  refresh(keys: Int32Array, count: number): void {
    for (let i = 0; i < count; i++) this.refreshOne(keys[i] ?? 0);
  }

  /** Brings the score of one key up to date. */
  refreshOne(key: ExpertKey): void {
    const layer = Math.floor(key / this.#expertCount);
    const score = this.#layers[layer]?.of(key - layer * this.#expertCount);
    if (score !== undefined) this.values[key] = score;
  }
}

/** The scores of one layer's experts. */
class LayerScore {
  readonly #rates: readonly number[];
  readonly #expertCount: number;
  /** `[rates + 1, expertCount]`: averages of the roots of probabilities, then the newest roots. */
  readonly #features: Float64Array;
  /** `[expertCount (scored), (rates + 1) * expertCount]`; undefined without a model. */
  readonly #weights: Float64Array | undefined;
  readonly #bias: Float32Array | undefined;
  readonly #scores: Float64Array;
  /** By expert: the token for which its score was computed. */
  readonly #scoredAt: Int32Array;
  #token = 0;

  constructor(layer: number, expertCount: number, model: ReuseModel | undefined) {
    const weights = model?.weights[layer];
    this.#rates = weights === undefined ? [FALLBACK_RATE] : (model?.rates ?? []);
    const inputs = (this.#rates.length + 1) * expertCount;
    const isOfShape = weights === undefined || weights.length === inputs * expertCount;
    assert(isOfShape, "a reuse model of this shape");
    this.#expertCount = expertCount;
    this.#features = new Float64Array(inputs);
    this.#weights = weights && transposed(weights, inputs, expertCount);
    this.#bias = model?.bias[layer];
    this.#scores = new Float64Array(expertCount);
    this.#scoredAt = new Int32Array(expertCount);
  }

  update(probabilities: Float32Array): void {
    const count = this.#expertCount;
    const features = this.#features;
    const newest = this.#rates.length * count;
    this.#token = (this.#token + 1) | 0;
    for (let expert = 0; expert < count; expert++) {
      const root = Math.sqrt(probabilities[expert] ?? 0);
      features[newest + expert] = root;
      for (let i = 0; i < this.#rates.length; i++) {
        const at = i * count + expert;
        const old = features[at] ?? 0;
        features[at] = old + (this.#rates[i] ?? 0) * (root - old);
      }
    }
  }

  of(expert: number): number {
    if (this.#weights === undefined) return this.#features[expert] ?? 0;
    if (this.#scoredAt[expert] === this.#token) return this.#scores[expert] ?? 0;
    const bias = this.#token === 0 ? 0 : (this.#bias?.[expert] ?? 0);
    const score = bias + dot(this.#weights, expert * this.#features.length, this.#features);
    this.#scores[expert] = score;
    this.#scoredAt[expert] = this.#token;
    return score;
  }
}

/**
 * Product of `values` with as many weights from `first` on; four sums, so that one need not wait
 * for the other.
 */
function dot(weights: Float64Array, first: number, values: Float64Array): number {
  const whole = values.length - (values.length % 4);
  let [a, b, c, d] = [0, 0, 0, 0];
  for (let i = 0; i < whole; i += 4) {
    a += (weights[first + i] as number) * (values[i] as number);
    b += (weights[first + i + 1] as number) * (values[i + 1] as number);
    c += (weights[first + i + 2] as number) * (values[i + 2] as number);
    d += (weights[first + i + 3] as number) * (values[i + 3] as number);
  }
  for (let i = whole; i < values.length; i++) {
    a += (weights[first + i] as number) * (values[i] as number);
  }
  return a + b + (c + d);
}

/** `[rows, columns]` to `[columns, rows]`. */
function transposed(values: Float32Array, rows: number, columns: number): Float64Array {
  const result = new Float64Array(values.length);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      result[column * rows + row] = values[row * columns + column] ?? 0;
    }
  }
  return result;
}
