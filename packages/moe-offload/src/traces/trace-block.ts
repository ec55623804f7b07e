import type { RoutingShape } from "../offload/routing.ts";
import type { Trace, TraceProvenance } from "./trace.ts";

/** What a trace holds besides the chosen experts. */
export interface TraceContents {
  readonly shape: RoutingShape;
  readonly hasProbabilities: boolean;
  readonly aheadDepth: number;
  readonly hasComputeMs: boolean;
  readonly provenance: TraceProvenance;
}

/** Consecutive tokens of a trace; the arrays are those of `Trace`. */
export interface TraceBlock {
  tokenCount: number;
  positions: Uint32Array;
  experts: Uint16Array;
  probabilities: Float32Array;
  ahead: Float32Array;
  computeMs: Float32Array;
}

/** Values of each array of a block of so many tokens; 0 where the trace has none of them. */
export function blockSizes(contents: TraceContents, tokenCount: number) {
  const { shape, hasProbabilities, aheadDepth, hasComputeMs } = contents;
  const rows = tokenCount * shape.moeLayers.length;
  return {
    positions: tokenCount,
    experts: rows * shape.expertUsedCount,
    probabilities: hasProbabilities ? rows * shape.expertCount : 0,
    ahead: rows * aheadDepth * shape.expertCount,
    computeMs: hasComputeMs ? rows : 0,
  };
}

/** An empty block with room for so many tokens. */
export function emptyBlock(contents: TraceContents, tokenCount: number): TraceBlock {
  const sizes = blockSizes(contents, tokenCount);
  return {
    tokenCount: 0,
    positions: new Uint32Array(sizes.positions),
    experts: new Uint16Array(sizes.experts),
    probabilities: new Float32Array(sizes.probabilities),
    ahead: new Float32Array(sizes.ahead),
    computeMs: new Float32Array(sizes.computeMs),
  };
}

/** The first `tokenCount` tokens of a block as views of its arrays. */
export function trimBlock(contents: TraceContents, block: TraceBlock): TraceBlock {
  const sizes = blockSizes(contents, block.tokenCount);
  return {
    tokenCount: block.tokenCount,
    positions: block.positions.subarray(0, sizes.positions),
    experts: block.experts.subarray(0, sizes.experts),
    probabilities: block.probabilities.subarray(0, sizes.probabilities),
    ahead: block.ahead.subarray(0, sizes.ahead),
    computeMs: block.computeMs.subarray(0, sizes.computeMs),
  };
}

/** Joins blocks to one trace. */
export function joinBlocks(contents: TraceContents, blocks: readonly TraceBlock[]): Trace {
  const tokenCount = blocks.reduce((sum, block) => sum + block.tokenCount, 0);
  const all = emptyBlock(contents, tokenCount);
  let at = 0;
  for (const block of blocks) {
    const before = blockSizes(contents, at);
    const { positions, experts, probabilities, ahead, computeMs } = trimBlock(contents, block);
    all.positions.set(positions, before.positions);
    all.experts.set(experts, before.experts);
    all.probabilities.set(probabilities, before.probabilities);
    all.ahead.set(ahead, before.ahead);
    all.computeMs.set(computeMs, before.computeMs);
    at += block.tokenCount;
  }
  return {
    shape: contents.shape,
    tokenCount,
    positions: all.positions,
    experts: all.experts,
    aheadDepth: contents.aheadDepth,
    ...(contents.hasProbabilities && { probabilities: all.probabilities }),
    ...(contents.aheadDepth > 0 && { ahead: all.ahead }),
    ...(contents.hasComputeMs && { computeMs: all.computeMs }),
    provenance: contents.provenance,
  };
}

/** What a trace holds, for writing it. */
export function contentsOf(trace: Trace): TraceContents {
  return {
    shape: trace.shape,
    hasProbabilities: trace.probabilities !== undefined,
    aheadDepth: trace.ahead === undefined ? 0 : trace.aheadDepth,
    hasComputeMs: trace.computeMs !== undefined,
    provenance: trace.provenance,
  };
}

/** Tokens `[from, to)` of a trace as a block of views. */
export function blockOf(trace: Trace, from: number, to: number): TraceBlock {
  const contents = contentsOf(trace);
  const start = blockSizes(contents, from);
  const end = blockSizes(contents, to);
  const none = new Float32Array(0);
  return {
    tokenCount: to - from,
    positions: trace.positions.subarray(start.positions, end.positions),
    experts: trace.experts.subarray(start.experts, end.experts),
    probabilities: (trace.probabilities ?? none).subarray(start.probabilities, end.probabilities),
    ahead: (trace.ahead ?? none).subarray(start.ahead, end.ahead),
    computeMs: (trace.computeMs ?? none).subarray(start.computeMs, end.computeMs),
  };
}
