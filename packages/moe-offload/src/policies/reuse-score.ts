import { assert } from "@fmlab/experiment";
import type { Routing, RoutingShape } from "../offload/routing.ts";
import type { ReuseModel } from "./policy.ts";

/** Decay per token where no model was learned; measured best of .02 and .05 on held-out prose. */
const FALLBACK_RATE = 0.05;

/**
 * For each expert an estimate of how soon and how often it will be used:
 * `score = sum over rates a of EMA_a(W_a sqrt(p)) + W_0 sqrt(p) + b`, with `p` the router's
 * probabilities. The averages run over each layer's tokens. Layers without a model fall back to
 * `EMA_0.05(sqrt(p))`. Costs `(rates + 1) * expertCount^2` multiplications per layer and token and
 * allocates nothing.
 */
export class ReuseScore {
  /** By key: the score after the layer's latest routing; 0 before its first. */
  readonly values: Float64Array;
  #expertCount: number;
  #model: ReuseModel | undefined;
  #rateCount: number;
  /** By layer and rate `[layerCount, rates, expertCount]`: the running averages. */
  #averages: Float64Array;
  #root: Float64Array;
  #mapped: Float64Array;

  constructor(shape: RoutingShape, model: ReuseModel | undefined) {
    const { expertCount, layerCount } = shape;
    this.#expertCount = expertCount;
    this.#model = model;
    this.#rateCount = model?.rates.length ?? 0;
    this.values = new Float64Array(layerCount * expertCount);
    this.#averages = new Float64Array(layerCount * this.#rateCount * expertCount);
    this.#root = new Float64Array(expertCount);
    this.#mapped = new Float64Array(expertCount);
    const size = (this.#rateCount + 1) * expertCount * expertCount;
    for (const layer of shape.moeLayers) {
      const weights = model?.weights[layer];
      assert(weights === undefined || weights.length === size, "a reuse model of this shape");
    }
  }

  /** Takes in what the router of one layer said of one token. */
  update({ layer, probabilities }: Routing): void {
    const count = this.#expertCount;
    for (let expert = 0; expert < count; expert++) {
      this.#root[expert] = Math.sqrt(probabilities[expert] ?? 0);
    }
    const weights = this.#model?.weights[layer];
    if (this.#model === undefined || weights === undefined) this.#fallBack(layer);
    else this.#apply(layer, weights, this.#model);
  }

  #fallBack(layer: number): void {
    const base = layer * this.#expertCount;
    for (let expert = 0; expert < this.#expertCount; expert++) {
      const old = this.values[base + expert] ?? 0;
      this.values[base + expert] = old + FALLBACK_RATE * ((this.#root[expert] ?? 0) - old);
    }
  }

  #apply(layer: number, weights: Float32Array, model: ReuseModel): void {
    const count = this.#expertCount;
    const base = layer * count;
    const bias = model.bias[layer];
    this.#map(weights, this.#rateCount);
    for (let expert = 0; expert < count; expert++) {
      this.values[base + expert] = (bias?.[expert] ?? 0) + (this.#mapped[expert] ?? 0);
    }
    for (let i = 0; i < this.#rateCount; i++) {
      const rate = model.rates[i] ?? 0;
      const first = (layer * this.#rateCount + i) * count;
      this.#map(weights, i);
      for (let expert = 0; expert < count; expert++) {
        const old = this.#averages[first + expert] ?? 0;
        const average = old + rate * ((this.#mapped[expert] ?? 0) - old);
        this.#averages[first + expert] = average;
        this.values[base + expert] = (this.values[base + expert] ?? 0) + average;
      }
    }
  }

  /**
   * `mapped = W_block^T root`: row block `block` of the weights, `[expertCount, expertCount]`. Two
   * rows at a time, which halves the trips to `mapped`; a last odd row goes with itself, times 0.
   */
  #map(weights: Float32Array, block: number): void {
    const count = this.#expertCount;
    const mapped = this.#mapped;
    mapped.fill(0);
    for (let from = 0; from < count; from += 2) {
      const isPair = from + 1 < count;
      const root = this.#root[from] ?? 0;
      const second = isPair ? (this.#root[from + 1] ?? 0) : 0;
      let at = (block * count + from) * count;
      let below = isPair ? at + count : at;
      for (let to = 0; to < count; to++, at++, below++) {
        const gained = root * (weights[at] ?? 0) + second * (weights[below] ?? 0);
        mapped[to] = (mapped[to] ?? 0) + gained;
      }
    }
  }
}
