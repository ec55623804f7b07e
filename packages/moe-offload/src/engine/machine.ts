import type { Backend, Device, RowWindow } from "@fmlab/ggml";
import type { Routing } from "../offload/routing.ts";
import type { ContextMemory } from "./context-memory.ts";
import type { HyperParameters } from "./hyper-parameters.ts";
import type { Routed } from "./layer-graph.ts";
import type { NativeSlotPool } from "./slot-pool.ts";
import type { ModelWeights } from "./weights.ts";

/** Everything graphs are built from; owned by the engine. */
export interface Machine {
  readonly device: Device;
  readonly backend: Backend;
  readonly model: HyperParameters;
  readonly weights: ModelWeights;
  readonly context: ContextMemory;
  readonly pool: NativeSlotPool;
  /** Next layers whose routers are applied to each layer's gate input. */
  readonly aheadDepth: number;
}

/** Graphs that evaluate one token whose inputs are entered in the context memory. */
export interface TokenGraphs {
  /**
   * Evaluates the token at `position`.
   * @returns the logits, in memory that the next evaluation overwrites
   */
  evaluate(position: number): Float32Array;
  /** What the router of `layer` said of the token evaluated last; none for a dense layer. */
  routing(layer: number): Routing | undefined;
  close(): void;
}

/** Tensors and nodes that one layer needs at most, beside its sum over experts. */
const LAYER_NODES = 80;
/** Tensors and nodes of embedding and head, and the one ggml keeps free. */
const END_NODES = 16;

/** How large an arena must be for `layers` layers, ends included. */
export function nodeCountMax(model: HyperParameters, layers: number): number {
  return layers * (LAYER_NODES + 2 * model.expertUsedCount) + END_NODES;
}

/** Shows the first `rows` tokens of the cache in every window. */
export function showRows(windows: readonly RowWindow[], rows: number): void {
  for (const window of windows) window.setRows(rows);
}

/** Shows what a router says as typed arrays over the memory of its tensors. */
export function routingOf(layer: number, routed: Routed, expertUsedCount: number): Routing {
  return {
    layer,
    token: 0,
    position: 0,
    experts: routed.sorted.int32().subarray(0, expertUsedCount),
    probabilities: routed.probabilities.float32(),
    ahead: routed.ahead.map((logits) => logits.float32()),
  };
}
