import { assert } from "@fmlab/experiment";
import type { Routing, RoutingShape } from "../offload/routing.ts";
import { AheadLogits } from "./cross-layer.ts";
import type {
  ExpertPredictor,
  LayerMap,
  PredictorContext,
  PredictorDefinition,
} from "./predictor.ts";

/**
 * A learned linear map from the square roots of one layer's router probabilities to scores of the
 * next layer's experts, made for the step from the first layer to the second, where the cross-layer
 * gate is at its worst. Layers without a map are predicted by the cross-layer gate.
 */
export const layerMap: PredictorDefinition = {
  name: "layer-map",
  help: "A learned map from one layer's router to the next; cross-layer gate where there is none.",
  source: "this project: ridge regression on the model's own text",
  depthMax: 1,
  aheadDepth: 1,
  wrapsAround: false,
  needs: ["layerMaps"],
  learns: true,
  create: (context) => new MappedLayers(context),
};

class MappedLayers implements ExpertPredictor {
  #ahead: AheadLogits;
  #maps: readonly (LayerMap | undefined)[];
  #root: Float32Array;
  #layer = -1;

  constructor({ layerMaps, shape }: PredictorContext) {
    assert(layerMaps !== undefined, "layer-map needs learned maps");
    for (const map of layerMaps) checkShape(map, shape);
    this.#ahead = new AheadLogits(shape);
    this.#maps = layerMaps;
    this.#root = new Float32Array(shape.expertCount);
  }

  observe(routing: Routing): void {
    this.#ahead.observe(routing);
    this.#layer = routing.layer;
    const { probabilities } = routing;
    for (let expert = 0; expert < this.#root.length; expert++) {
      this.#root[expert] = Math.sqrt(probabilities[expert] ?? 0);
    }
  }

  predict(target: number, scores: Float32Array): boolean {
    const map = this.#maps[this.#layer];
    if (map === undefined || target !== this.#layer + 1) {
      return this.#ahead.predict(target, scores);
    }
    const count = this.#root.length;
    for (let to = 0; to < count; to++) {
      let score = map.bias[to] ?? 0;
      for (let from = 0; from < count; from++) {
        score += (map.weights[to * count + from] ?? 0) * (this.#root[from] ?? 0);
      }
      scores[to] = score;
    }
    return true;
  }
}

function checkShape(map: LayerMap | undefined, { expertCount }: RoutingShape): void {
  if (map === undefined) return;
  assert(map.weights.length === expertCount ** 2, "a layer map is [experts, experts]");
  assert(map.bias.length === expertCount, "a layer map has a bias for each expert");
}
