import type { Arena, Tensor } from "@fmlab/ggml";
import { ops } from "@fmlab/ggml";
import type { HyperParameters } from "../engine/hyper-parameters.ts";
import type { Attended, LayerGraph } from "../engine/layer-graph.ts";
import type { TokenSlices } from "./activation-memory.ts";

/** How the attention of a layer is built; `LayerGraph.attention` is one. */
export type BuildAttention = (layer: number, x: Tensor, lastOnly: boolean) => Attended;

/** What one segment is built from. */
export interface SegmentParts {
  readonly arena: Arena;
  readonly graph: LayerGraph;
  readonly model: HyperParameters;
  readonly attention: BuildAttention;
  /** What the segment before has left; undefined for the first. */
  readonly before: TokenSlices | undefined;
  /** Where this one leaves what it computes; undefined for the last. */
  readonly after: TokenSlices | undefined;
  /** From the last layer on only the last token is computed. */
  readonly lastOnly: boolean;
}

/**
 * Segments of a model: everything between the experts of one layer and those of the next as one
 * graph. Segment `i` sums the expert outputs of the `i-1`-th layer with experts (or embeds the
 * tokens), passes layers without experts, and ends with attention, router and shared expert of the
 * `i`-th; the last one ends with the head. There is one more than layers with experts.
 */
export function segmentCount(model: HyperParameters): number {
  return model.moeLayers.length + 1;
}

/**
 * Builds all of a segment but the last into the arena's graph.
 * @returns what the router chose, `[experts, tokens]` I32, sorted by falling weight
 */
export function buildSegment(parts: SegmentParts, index: number): Tensor {
  const { after, arena, attention, graph, model } = parts;
  const layer = model.moeLayers[index];
  if (layer === undefined || !after) throw new Error(`segment ${index} has no router`);
  const x = passDense(parts, index, layer);
  const attended = attention(layer, x, isLastOnly(parts, layer));
  const routed = graph.route(layer, attended.normed);
  routed.sorted.markOutput();
  store(arena, attended.residual, after.residual);
  store(arena, attended.normed, after.normed);
  store(arena, routed.weights, after.weights);
  const shared = graph.shared(layer, attended.normed, routed.sharedGate);
  if (shared && after.shared) store(arena, shared, after.shared);
  arena.graph.expand(routed.sorted);
  return routed.sorted;
}

/**
 * Builds the last segment.
 * @returns the logits, `[vocabulary, tokens]`
 */
export function buildLastSegment(parts: SegmentParts): Tensor {
  const { arena, graph, model } = parts;
  const x = passDense(parts, model.moeLayers.length, model.layerCount);
  const logits = graph.head(x);
  logits.markOutput();
  arena.graph.expand(logits);
  return logits;
}

/**
 * Builds what is left of a batch that gives no logits: from the experts before the last layer on,
 * only the keys and values of that layer are wanted.
 */
export function buildCacheSegment(parts: SegmentParts, index: number): void {
  const last = parts.model.layerCount - 1;
  parts.graph.cacheKeysAndValues(last, passDense(parts, index, last));
}

/** True when the segment is the one in which a batch without logits ends. */
export function isCacheSegment(model: HyperParameters, index: number): boolean {
  return (model.moeLayers[index] ?? model.layerCount) >= model.layerCount - 1;
}

/** The input of `layer`: the sum of the experts before it, through the dense layers between. */
function passDense(parts: SegmentParts, index: number, layer: number): Tensor {
  const { attention, graph, model } = parts;
  const previous = model.moeLayers[index - 1] ?? -1;
  let x = begin(parts, previous);
  for (let dense = previous + 1; dense < layer; dense++) {
    x = graph.dense(dense, attention(dense, x, isLastOnly(parts, dense)));
  }
  return x;
}

function begin({ arena, before, graph }: SegmentParts, previous: number): Tensor {
  if (!before) return graph.embed();
  return graph.combine(
    previous,
    { residual: arena.alias(before.residual) },
    arena.alias(before.expertRows),
    arena.alias(before.weights),
    before.shared && arena.alias(before.shared),
  );
}

function isLastOnly({ lastOnly, model }: SegmentParts, layer: number): boolean {
  return lastOnly && layer === model.layerCount - 1;
}

/** Leaves a result in memory that other graphs read. */
function store(arena: Arena, result: Tensor, target: Tensor): void {
  if (result.root === result) {
    arena.placeInto(result, target);
    arena.graph.expand(result);
  } else {
    arena.graph.expand(ops.cpy(arena, result, arena.alias(target)));
  }
}
