import type { GgufFile, ThreadPool } from "@fmlab/ggml";

/**
 * What the engine asks of its neighbours: the file it is loaded from, the memory it offers for
 * experts, and whoever keeps that memory filled. Everything here is synchronous, because it runs
 * on the compute thread between two graphs of the same token.
 */

/** The three matrices of one expert, in the order in which they lie in every list of parts. */
export const EXPERT_PARTS = ["gate", "up", "down"] as const;
export type ExpertPart = (typeof EXPERT_PARTS)[number];

/** The file an engine is opened from. The caller closes it, after the engine is opened or later. */
export type ModelFile = GgufFile;

/**
 * Memory for `slotCount` experts of any layer. Slot numbers are global: 3-D tensors with one
 * matrix per slot hold all of them, and the engine computes on them in place.
 */
export interface SlotPool {
  readonly slotCount: number;
  /** Bytes of one expert: the sum of its parts. */
  readonly expertBytes: number;
  readonly parts: readonly { readonly name: ExpertPart; readonly sizeBytes: number }[];
  /**
   * The bytes of one part of one slot. The view is stable until the engine is closed; then it is
   * detached (length 0), so that a late write throws or does nothing instead of touching freed
   * memory.
   */
  view(slot: number, part: ExpertPart): Uint8Array;
}

/** Keeps the experts of a model in a pool of slots: a cache with its policy and its link. */
export interface ExpertSource {
  /**
   * True when expert `e` of layer `l` lies in slot `l * expertCount + e` before the first token
   * and stays there. The engine may then run a whole token, or a whole prompt, as one graph
   * without calling `acquire`.
   */
  readonly allResident?: boolean;
  /**
   * Makes the experts of one layer resident and says where they are. Called on the compute thread
   * between the router and the experts of each layer of each token.
   *
   * @param layer    0-based layer
   * @param experts  expert numbers within the layer, all different, by falling router weight
   * @param slots    output: the global slot of each expert, in the same order. The slots must keep
   *                 these bytes until the next call.
   */
  acquire(layer: number, experts: Int32Array, slots: Int32Array): void;
}

/** Counts the engine derives from the model file; a source needs them to address experts. */
export interface MoeShape {
  readonly layerCount: number;
  readonly expertCount: number;
  /** Experts used per token in each layer (top-k). */
  readonly expertUsedCount: number;
}

/** Where the engine is inside a token. */
export const LAYER_PHASES = ["attention", "acquire", "experts", "head", "idle"] as const;
export type LayerPhase = (typeof LAYER_PHASES)[number];

/**
 * Called when a phase begins; it lasts until the next call. `idle` ends the token. The hook reads
 * its own clock. While a hook is set the engine decodes with the graphs that are split per layer
 * (their results are the same to the bit). A prompt that is evaluated as one graph reports nothing.
 */
export type LayerHook = (phase: LayerPhase, layer: number) => void;

/**
 * Called once per layer and batch with the experts chosen by the router, row-major
 * `[tokens, expertUsedCount]`, by falling weight. The array is reused: copy what you keep. In a
 * prompt that is evaluated as one graph, the last layer routes the last token only.
 */
export type RoutingHook = (layer: number, experts: Int32Array) => void;

/** How an engine is opened. */
export interface EngineOptions {
  /** Experts that fit in memory at once, at least `expertUsedCount`. */
  readonly slotCount: number;
  /** Compute threads, 1..64. */
  readonly threads: number;
  /** Tokens the KV cache holds; default and maximum: the model's own context length. */
  readonly contextLength?: number;
  /** Tokens of a prompt that are evaluated together; default 512. */
  readonly batchTokens?: number;
  /** Compute threads shared with other engines; `threads` must then be its number of threads. */
  readonly threadPool?: ThreadPool;
}
