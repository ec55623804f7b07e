import type { Routing } from "../offload/routing.ts";
import { ActivationHistory } from "./activation-history.ts";
import {
  DEPTH_MAX,
  type ExpertPredictor,
  type PredictorContext,
  type PredictorDefinition,
} from "./predictor.ts";

/**
 * Expects the rest of a sequence to use experts as the most similar earlier sequence did; while
 * there is none, as this one did so far. Scores are uses.
 */
export const activationMatrix: PredictorDefinition = {
  name: "activation-matrix",
  help: "Expects what the most similar earlier sequence used.",
  source: "MoE-Infinity, arXiv 2401.14361; released code: expert_tracer.py (see ActivationHistory)",
  depthMax: DEPTH_MAX,
  aheadDepth: 0,
  wrapsAround: true,
  learns: true,
  create: (context) => new ActivationMatrix(context),
};

class ActivationMatrix implements ExpertPredictor {
  #expertCount: number;
  #firstLayer: number;
  #history: ActivationHistory;

  constructor({ activationMatrices, shape }: PredictorContext) {
    this.#expertCount = shape.expertCount;
    this.#firstLayer = shape.moeLayers[0] ?? 0;
    this.#history = new ActivationHistory(shape, activationMatrices);
  }

  observe(routing: Routing): void {
    this.#history.observe(routing, routing.layer === this.#firstLayer);
  }

  predict(target: number, scores: Float32Array): boolean {
    const expected = this.#history.expected;
    if (expected === undefined) return false;
    const base = target * this.#expertCount;
    for (let expert = 0; expert < this.#expertCount; expert++) {
      scores[expert] = expected[base + expert] ?? 0;
    }
    return true;
  }
}
