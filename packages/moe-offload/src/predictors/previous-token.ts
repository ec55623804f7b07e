import type { Routing, RoutingShape } from "../offload/routing.ts";
import { DEPTH_MAX, type ExpertPredictor, type PredictorDefinition } from "./predictor.ts";

/**
 * Every layer chooses again what it chose for the token before. Scores are that token's router
 * probabilities, 1 more for the experts it chose, so that the others follow by likelihood.
 */
export const previousToken: PredictorDefinition = {
  name: "previous-token",
  help: "Expects each layer to choose what it chose for the token before.",
  source: "baseline of Fate (arXiv 2502.12224) and of llama.cpp experiments",
  depthMax: DEPTH_MAX,
  aheadDepth: 0,
  wrapsAround: true,
  create: ({ shape }) => new PreviousToken(shape),
};

class PreviousToken implements ExpertPredictor {
  /** By layer `[expertCount]`: scores of its latest token. */
  #scores: Float32Array[];
  #hasSpoken: Uint8Array;

  constructor({ expertCount, layerCount }: RoutingShape) {
    this.#scores = Array.from({ length: layerCount }, () => new Float32Array(expertCount));
    this.#hasSpoken = new Uint8Array(layerCount);
  }

  observe({ experts, layer, probabilities }: Routing): void {
    const scores = this.#scores[layer];
    if (scores === undefined) return;
    scores.set(probabilities);
    for (const expert of experts) scores[expert] = 1 + (scores[expert] ?? 0);
    this.#hasSpoken[layer] = 1;
  }

  predict(target: number, scores: Float32Array): boolean {
    const latest = this.#scores[target];
    if (latest === undefined || this.#hasSpoken[target] !== 1) return false;
    scores.set(latest);
    return true;
  }
}
