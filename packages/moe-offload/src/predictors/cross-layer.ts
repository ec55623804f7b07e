import type { Routing, RoutingShape } from "../offload/routing.ts";
import { DEPTH_MAX, type ExpertPredictor, type PredictorDefinition } from "./predictor.ts";

/**
 * The next layers' routers, applied to this layer's gate input: because a layer changes the
 * residual stream little, they choose nearly what they will choose later.
 */
export const crossLayer: PredictorDefinition = {
  name: "cross-layer",
  help: "Applies the next layers' routers to this layer's gate input.",
  source:
    "Eliseev and Mazur 2023, arXiv 2312.17238 (speculative loading); Fate, arXiv 2502.12224 (one " +
    "layer ahead, exact)",
  depthMax: DEPTH_MAX,
  aheadDepth: DEPTH_MAX,
  wrapsAround: false,
  create: ({ shape }) => new AheadLogits(shape),
};

/** Keeps the latest layer's look-ahead logits. */
export class AheadLogits implements ExpertPredictor {
  #layer = -1;
  #depth = 0;
  #logits: Float32Array[];

  constructor({ expertCount }: RoutingShape) {
    this.#logits = Array.from({ length: DEPTH_MAX }, () => new Float32Array(expertCount));
  }

  observe({ ahead, layer }: Routing): void {
    this.#layer = layer;
    this.#depth = Math.min(ahead.length, DEPTH_MAX);
    for (let d = 0; d < this.#depth; d++) {
      const logits = ahead[d];
      if (logits !== undefined) this.#logits[d]?.set(logits);
    }
  }

  predict(target: number, scores: Float32Array): boolean {
    const depth = target - this.#layer;
    const logits = depth <= this.#depth ? this.#logits[depth - 1] : undefined;
    if (logits === undefined) return false;
    scores.set(logits);
    return true;
  }
}
