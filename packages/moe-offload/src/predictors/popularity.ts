import type { Routing } from "../offload/routing.ts";
import {
  DEPTH_MAX,
  type ExpertPredictor,
  type PredictorContext,
  type PredictorDefinition,
} from "./predictor.ts";

/** Each layer chooses its most used experts: counted on earlier text, or else while running. */
export const popularity: PredictorDefinition = {
  name: "popularity",
  help: "Expects each layer's most used experts.",
  source: "static popularity, baseline of Fiddler (arXiv 2402.07033) and others",
  depthMax: DEPTH_MAX,
  aheadDepth: 0,
  wrapsAround: true,
  learns: true,
  create: (context) => new Popularity(context),
};

class Popularity implements ExpertPredictor {
  #expertCount: number;
  /** By key: uses. */
  #uses: Float64Array;
  #isCounting: boolean;
  #isKnown: Uint8Array;

  constructor({ popularity: given, shape }: PredictorContext) {
    this.#expertCount = shape.expertCount;
    this.#isCounting = given === undefined;
    this.#uses = given ?? new Float64Array(shape.layerCount * shape.expertCount);
    this.#isKnown = new Uint8Array(shape.layerCount).fill(given === undefined ? 0 : 1);
  }

  observe({ experts, layer }: Routing): void {
    if (!this.#isCounting) return;
    const base = layer * this.#expertCount;
    for (const expert of experts) this.#uses[base + expert] = (this.#uses[base + expert] ?? 0) + 1;
    this.#isKnown[layer] = 1;
  }

  predict(target: number, scores: Float32Array): boolean {
    if (this.#isKnown[target] !== 1) return false;
    const base = target * this.#expertCount;
    for (let expert = 0; expert < this.#expertCount; expert++) {
      scores[expert] = this.#uses[base + expert] ?? 0;
    }
    return true;
  }
}
