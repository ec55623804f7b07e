/**
 * What the router said of one token in one layer. The arrays are reused from layer to layer: copy
 * what you keep.
 */
export interface Routing {
  /** 0-based layer of the model. */
  layer: number;
  /** Serial number of the token since the engine or trace was opened, from 0; never falls. */
  token: number;
  /** Place of the token in its context; 0 begins a new sequence. */
  position: number;
  /** The chosen experts, `[expertUsedCount]`, all different, by falling router weight. */
  experts: Int32Array;
  /** Router probabilities of all experts of the layer, `[expertCount]`; they sum to 1. */
  probabilities: Float32Array;
  /**
   * Logits of the next layers' routers applied to this layer's gate input, `[expertCount]` each:
   * entry `d` belongs to layer `layer + 1 + d`. Empty where nothing of it was computed or recorded.
   * @see Fate, "cross-layer gate"
   */
  ahead: readonly Float32Array[];
}

/** Counts that decide the shape of every table of a policy or predictor. */
export interface RoutingShape {
  /** All layers of the model, with those that have no routed experts. */
  readonly layerCount: number;
  readonly expertCount: number;
  /** Experts per token and layer (top-k). */
  readonly expertUsedCount: number;
  /** Layers that have routed experts, ascending. */
  readonly moeLayers: readonly number[];
}

/** One number for a (layer, expert) pair: `layer * expertCount + expert`. */
export type ExpertKey = number;
