import type { Routing } from "../offload/routing.ts";
import type { ExpertPredictor, PredictorContext, PredictorDefinition } from "./predictor.ts";

/**
 * Klotski's correlation table: how often an expert of one layer was chosen together with an expert
 * of the next, for the same token. Each expert that a layer chose names its top-k successors; their
 * counts are summed. The first layer has counts of its own experts only. Tables grow while running.
 */
export const correlation: PredictorDefinition = {
  name: "correlation",
  help: "Expects the experts that most often follow the ones just chosen.",
  source:
    "Klotski, ASPLOS 2025, arXiv 2502.06888, correlation-aware prefetcher (path length 1). Counts " +
    "are summed as the paper says; its released code sums votes instead",
  depthMax: 1,
  aheadDepth: 0,
  wrapsAround: true,
  learns: true,
  create: (context) => new Correlation(context),
};

class Correlation implements ExpertPredictor {
  #expertCount: number;
  #usedCount: number;
  #firstLayer: number;
  /** By layer: the layer with experts before it, -1 for the first. */
  #previous: Int32Array;
  /** By layer: counts to the next layer with experts, `[from, to]`. */
  #successors: Float64Array[];
  /** Uses of the first layer's experts. */
  #first: Float64Array;
  #hasFirst: boolean;
  /** What the latest layer chose. */
  #latest: Int32Array;
  #latestCount = 0;
  #latestLayer = -1;
  #isTaken: Uint8Array;

  constructor({ popularity, shape, successors }: PredictorContext) {
    const { expertCount, layerCount, moeLayers } = shape;
    this.#expertCount = expertCount;
    this.#usedCount = shape.expertUsedCount;
    this.#firstLayer = moeLayers[0] ?? 0;
    this.#previous = new Int32Array(layerCount).fill(-1);
    moeLayers.forEach((layer, i) => {
      this.#previous[layer] = moeLayers[i - 1] ?? -1;
    });
    this.#successors = Array.from({ length: layerCount }, (_, layer) =>
      Float64Array.from(successors?.[layer] ?? new Float64Array(expertCount * expertCount)),
    );
    const at = this.#firstLayer * expertCount;
    this.#first = new Float64Array(expertCount);
    if (popularity !== undefined) this.#first.set(popularity.subarray(at, at + expertCount));
    this.#hasFirst = popularity !== undefined;
    this.#latest = new Int32Array(expertCount);
    this.#isTaken = new Uint8Array(expertCount);
  }

  observe({ experts, layer }: Routing): void {
    const table = this.#successors[this.#latestLayer];
    if (layer === this.#firstLayer) {
      for (const expert of experts) this.#first[expert] = (this.#first[expert] ?? 0) + 1;
      this.#hasFirst = true;
    } else if (table !== undefined && this.#previous[layer] === this.#latestLayer) {
      for (let i = 0; i < this.#latestCount; i++) {
        const row = (this.#latest[i] ?? 0) * this.#expertCount;
        for (const expert of experts) table[row + expert] = (table[row + expert] ?? 0) + 1;
      }
    }
    this.#latest.set(experts);
    this.#latestCount = experts.length;
    this.#latestLayer = layer;
  }

  predict(target: number, scores: Float32Array): boolean {
    if (target === this.#firstLayer) {
      scores.set(this.#first);
      return this.#hasFirst;
    }
    const table = this.#successors[this.#latestLayer];
    if (table === undefined || this.#previous[target] !== this.#latestLayer) return false;
    scores.fill(0);
    let found = 0;
    for (let i = 0; i < this.#latestCount; i++) {
      found += this.#addSuccessors(table, (this.#latest[i] ?? 0) * this.#expertCount, scores);
    }
    return found > 0;
  }

  /** Adds the counts of the row's top-k successors (ties to the lower number); how many it had. */
  #addSuccessors(table: Float64Array, row: number, scores: Float32Array): number {
    this.#isTaken.fill(0);
    for (let rank = 0; rank < this.#usedCount; rank++) {
      let best = -1;
      let most = 0;
      for (let expert = 0; expert < this.#expertCount; expert++) {
        const count = table[row + expert] ?? 0;
        if (count > most && this.#isTaken[expert] === 0) {
          best = expert;
          most = count;
        }
      }
      if (best < 0) return rank;
      this.#isTaken[best] = 1;
      scores[best] = (scores[best] ?? 0) + most;
    }
    return this.#usedCount;
  }
}
