import type { RoutingShape } from "../offload/routing.ts";

/** How long the parts of one layer with routed experts compute, milliseconds. */
export interface LayerComputeTimes {
  /** Attention and everything up to the router's choice, at position 0. */
  readonly attentionMs: number;
  /** What each further position of the context adds to it. */
  readonly attentionMsPerPosition: number;
  /** The shared expert; 0 where there is none. */
  readonly sharedMs: number;
  /** Entry `n`: `n` routed experts in one graph, `[expertUsedCount + 1]`, entry 0 is 0. */
  readonly expertsMs: readonly number[];
  /** Summing the experts' rows and the residual. */
  readonly combineMs: number;
  /** Shared expert, all routed experts and sum as one graph; the sum of the parts when missing. */
  readonly wholeMs?: number;
}

/** Compute times of a whole model: measured from real runs, or published. */
export interface ComputeTimes {
  /** What starting a graph costs, whatever is in it; counted as overhead. */
  readonly graphMs: number;
  /** One layer without routed experts. */
  readonly denseMs: number;
  /** By place in `shape.moeLayers`. */
  readonly layers: readonly LayerComputeTimes[];
  /** After the last layer until the next token begins: head, sampling. */
  readonly headMs: number;
  /**
   * What a layer takes longer when some of its experts had to be waited for, beside the waiting:
   * asking for them, waking up, weights that are in no cache of the processor. Counted as overhead;
   * 0 when missing.
   */
  readonly missMs?: number;
}

/** Compute times that are the same in every layer. */
export interface UniformTimes {
  readonly graphMs?: number;
  readonly denseMs?: number;
  readonly attentionMs: number;
  readonly attentionMsPerPosition?: number;
  readonly sharedMs?: number;
  /** One routed expert; `n` in a graph take `n` times as long. */
  readonly expertMs: number;
  readonly combineMs?: number;
  readonly headMs: number;
}

/** Times for all layers of a shape from those of one layer. */
export function uniformTimes(shape: RoutingShape, times: UniformTimes): ComputeTimes {
  const { graphMs = 0, denseMs = 0, attentionMsPerPosition = 0, sharedMs = 0 } = times;
  const { attentionMs, expertMs, combineMs = 0, headMs } = times;
  const expertsMs = Array.from({ length: shape.expertUsedCount + 1 }, (_, n) => n * expertMs);
  const layer = { attentionMs, attentionMsPerPosition, sharedMs, expertsMs, combineMs };
  return { graphMs, denseMs, headMs, layers: shape.moeLayers.map(() => layer) };
}

/** Time of a layer's shared and routed experts and their sum as one graph. */
export function wholeMs({ combineMs, expertsMs, sharedMs, wholeMs }: LayerComputeTimes): number {
  return wholeMs ?? sharedMs + (expertsMs.at(-1) ?? 0) + combineMs;
}

/**
 * Time of a token with every expert in fast memory: the sum that no offloading can beat.
 *
 * @param position  place of the token in its context
 */
export function residentTokenMs(
  shape: RoutingShape,
  times: ComputeTimes,
  position: number,
): { computeMs: number; overheadMs: number } {
  const dense = shape.layerCount - shape.moeLayers.length;
  let computeMs = dense * times.denseMs + times.headMs;
  for (const layer of times.layers) {
    computeMs += layer.attentionMs + layer.attentionMsPerPosition * position + wholeMs(layer);
  }
  // Two graphs a layer with experts, one a dense layer, one for the head.
  const graphs = 2 * shape.moeLayers.length + dense + 1;
  return { computeMs, overheadMs: graphs * times.graphMs };
}
