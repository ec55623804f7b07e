import { type Arena, ops, type Tensor } from "@fmlab/ggml";
import type { HyperParameters } from "./hyper-parameters.ts";
import type { ModelWeights } from "./weights.ts";

/** What the router decides. */
export interface Routed {
  readonly ids: Tensor; // [used, tokens] I32, by falling weight: a view of the next
  readonly sorted: Tensor; // [experts, tokens] I32: all experts by falling weight
  readonly probabilities: Tensor; // [experts, tokens]: the softmax
  readonly weights: Tensor; // [1, used, tokens]: as the outputs are multiplied with them
  /** `[1, tokens]`: the gate of the shared expert before its sigmoid, if it has one. */
  readonly sharedGate: Tensor | undefined;
  /** Logits of following layers' routers, `[experts, tokens]` each, as `routeAhead` gives them. */
  readonly ahead: readonly Tensor[];
}

/** Least sum that weights are divided by: the smallest normal half-precision number. */
const WEIGHT_SUM_MIN = 2 ** -14;

/**
 * Builds the routers of layers: which experts a token goes to, and what following layers' routers
 * would say of the same state.
 * @see llama.cpp llama-graph.cpp `build_moe_ffn` (b7347)
 */
export class RouterGraph {
  readonly #arena: Arena;
  readonly #model: HyperParameters;
  readonly #weights: ModelWeights;

  constructor(arena: Arena, model: HyperParameters, weights: ModelWeights) {
    this.#arena = arena;
    this.#model = model;
    this.#weights = weights;
  }

  /** As `LayerGraph.route`. */
  route(layer: number, normed: Tensor, depthAhead: number): Routed {
    const arena = this.#arena;
    const { expertCount, expertUsedCount } = this.#model;
    const tokens = normed.shape[1];
    const { logits, sharedGate, ahead } = this.#routers(layer, normed, depthAhead);
    const probabilities = ops.softMax(arena, logits); // [experts, tokens]
    const ids = ops.argsortTopK(arena, probabilities, expertUsedCount);
    const table = ops.reshape(arena, probabilities, [1, expertCount, tokens]);
    const weights = this.#finalWeights(ops.getRows(arena, table, ids));
    return { ids, sorted: ids.root, probabilities, weights, sharedGate, ahead };
  }

  /** As `LayerGraph.routeAhead`. */
  routeAhead(layer: number, normed: Tensor, depth: number): Tensor[] {
    return this.#layersAhead(layer, depth).map((next) =>
      ops.mulMat(this.#arena, this.#routerPart(next, 0), normed),
    );
  }

  /** Logits of a layer's router and what is multiplied with the same state. */
  #routers(layer: number, normed: Tensor, depthAhead: number) {
    const arena = this.#arena;
    const { expertCount, traits } = this.#model;
    const isGated = traits.sharedExpert === "gated";
    const { stacked } = this.#weights.routers;
    if (normed.shape[1] !== 1 || !stacked) {
      return {
        logits: ops.mulMat(arena, this.#routerPart(layer, 0), normed),
        sharedGate: isGated ? ops.mulMat(arena, this.#routerPart(layer, 1), normed) : undefined,
        ahead: this.routeAhead(layer, normed, depthAhead),
      };
    }
    const rowsPerLayer = expertCount + (isGated ? 1 : 0);
    const layers = this.#layersAhead(layer, depthAhead);
    const weight = ops.view(arena, stacked, {
      shape: [stacked.shape[0], rowsPerLayer * (layers.length + 1)],
      offsetBytes: this.#rank(layer) * rowsPerLayer * stacked.strides[1],
    });
    const all = ops.mulMat(arena, weight, normed); // [rowsPerLayer * (1 + ahead), 1]
    const rows = (first: number, count: number) =>
      ops.view(arena, all, { shape: [count, 1], offsetBytes: first * 4 });
    return {
      logits: rows(0, expertCount),
      sharedGate: isGated ? rows(expertCount, 1) : undefined,
      ahead: layers.map((_, index) => rows((index + 1) * rowsPerLayer, expertCount)),
    };
  }

  #finalWeights(chosen: Tensor): Tensor {
    const arena = this.#arena;
    const { scales, traits } = this.#model;
    let weights = chosen; // [1, used, tokens]
    if (traits.renormalises) {
      const [, used, tokens] = chosen.shape;
      const flat = ops.reshape(arena, chosen, [used, tokens]);
      const sums = ops.clampInPlace(
        arena,
        ops.sumRows(arena, flat),
        WEIGHT_SUM_MIN,
        Number.POSITIVE_INFINITY,
      );
      weights = ops.reshape(arena, ops.div(arena, flat, sums), [1, used, tokens]);
    }
    return scales.expertWeights === 1 ? weights : ops.scale(arena, weights, scales.expertWeights);
  }

  #layersAhead(layer: number, depth: number): number[] {
    return this.#model.moeLayers.filter((next) => next > layer && next <= layer + depth);
  }

  #rank(layer: number): number {
    const rank = this.#model.moeLayers.indexOf(layer);
    if (rank < 0) throw new Error(`layer ${layer} has no experts`);
    return rank;
  }

  // Part 0 of a layer is its router, part 1 the gate of its shared expert.
  #routerPart(layer: number, part: number): Tensor {
    const partsPerLayer = this.#model.traits.sharedExpert === "gated" ? 2 : 1;
    const tensor = this.#weights.routers.parts[this.#rank(layer) * partsPerLayer + part];
    if (!tensor) throw new Error(`layer ${layer} has no router`);
    return tensor;
  }
}
