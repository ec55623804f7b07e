import type { Routing, RoutingShape } from "../offload/routing.ts";

/** Layers ahead that any predictor is asked for at most. */
export const DEPTH_MAX = 3;

/**
 * Predicts which experts later layers will choose, from what the routers have said so far. Pure and
 * causal; driven alike by the engine and by the replayer.
 */
export interface ExpertPredictor {
  /** The router of a layer chose; called for every layer of every token, in order. */
  observe(routing: Routing): void;
  /**
   * Scores every expert of `target`: the higher, the more likely. Asked after `observe` of some
   * layer `l`: for a `target` above `l`, of the same token; for a `target` at or below `l`, of the
   * next token (only of predictors that declare `wrapsAround`). Asking changes nothing.
   *
   * @param scores  output, `[expertCount]`; their scale is the predictor's own
   * @returns false when it has nothing to say of that layer yet
   */
  predict(target: number, scores: Float32Array): boolean;
}

/** What a predictor may know when it is made. */
export interface PredictorContext {
  readonly shape: RoutingShape;
  /** Uses of each expert on earlier text, `[layerCount * expertCount]`. */
  readonly popularity?: Float64Array;
  /**
   * By layer: linear map from its router's probabilities to scores of the next layer's experts,
   * undefined where none was learned; see `layer-map.ts`.
   */
  readonly layerMaps?: readonly (LayerMap | undefined)[];
  /** Activation matrices of earlier sequences, `[layerCount * expertCount]` each. */
  readonly activationMatrices?: readonly Float32Array[];
  /**
   * By layer: how often, on earlier text, an expert of it was chosen with an expert of the next
   * layer with experts, `[from expert, to expert]`, row-major; undefined for the last and for dense
   * layers.
   */
  readonly successors?: readonly (Float64Array | undefined)[];
}

/** A learned linear map from the square roots of one layer's probabilities to the next's scores. */
export interface LayerMap {
  /** `[expertCount (to), expertCount (from)]`, row-major. */
  readonly weights: Float32Array;
  /** `[expertCount (to)]` */
  readonly bias: Float32Array;
}

/** A predictor as a config names it. One file each; `registry.ts` lists them. */
export interface PredictorDefinition {
  readonly name: string;
  /** One sentence for forms and docs. */
  readonly help: string;
  /** Where it comes from: paper or code. */
  readonly source: string;
  /** How many layers ahead it can look, 1..`DEPTH_MAX`. */
  readonly depthMax: number;
  /**
   * Layers ahead whose routers it can use (`Routing.ahead`); 0 for none. No more need be computed
   * than the depth that is asked for.
   */
  readonly aheadDepth: number;
  /**
   * Can score the first layers of the next token when the last layer of this one has spoken, so
   * that they too can be prefetched. Predictors without it are asked for later layers only.
   */
  readonly wrapsAround: boolean;
  /** It is better with a calibration of the model, or cannot do without. */
  readonly learns?: boolean;
  /** What of `PredictorContext` it cannot do without. */
  readonly needs?: readonly ("popularity" | "layerMaps" | "activationMatrices" | "successors")[];
  create(context: PredictorContext): ExpertPredictor;
}
