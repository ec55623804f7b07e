import type { RoutingShape } from "../offload/routing.ts";
import type { MissCurves, ReuseModel } from "../policies/policy.ts";
import type { LayerMap } from "../predictors/predictor.ts";

/**
 * What policies and predictors know of a model before the first token: statistics of its routing on
 * text that it wrote itself, so that no foreign text is needed and none that is measured on.
 */
export interface Calibration {
  readonly shape: RoutingShape;
  /** Tokens it was learned on. */
  readonly tokenCount: number;
  readonly seed: number;
  /** Uses of each expert, `[layerCount * expertCount]`. */
  readonly popularity: Float64Array;
  /**
   * By layer `[expertCount (here), expertCount (next layer)]`, row-major: how often a token used
   * both. Undefined for layers without routed experts or without one after them.
   */
  readonly successors: readonly (Float64Array | undefined)[];
  /** Uses of each expert in each sequence, `[layerCount * expertCount]` each. */
  readonly activationMatrices: readonly Float32Array[];
  /**
   * From the first layer's router probabilities to the next layer's choice; elsewhere undefined.
   */
  readonly layerMaps: readonly (LayerMap | undefined)[];
  readonly reuseModel: ReuseModel;
  /** Of LRU: what slots are worth in each layer. */
  readonly missCurves: MissCurves;
}
