import { type ClusterView, transferMs } from "../simulator/cluster-view.ts";
import { costOf } from "../simulator/summary.ts";
import type { InvocationTrace } from "../traces/invocation-trace.ts";

/** What no scheduler can do better than, whatever it knows. */
export interface HindsightBound {
  /** Lower bounds of each request's response. */
  responseMs: Float64Array;
  responseMsMean: number;
  /** Of the project's cost, mean. */
  placementCost: number;
}

/**
 * Each request at its best node with a warm container, no queue and every transfer alone; only the
 * first request of each function pays the shortest cold start. A valid lower bound: responses can
 * only be longer. Loose where queueing cannot be avoided (high load).
 */
export function hindsightBound(view: ClusterView, trace: InvocationTrace): HindsightBound {
  const responseMs = new Float64Array(trace.count);
  const seen = new Set<number>();
  let cost = 0;
  let sum = 0;
  for (let id = 0; id < trace.count; id++) {
    const kind = trace.functionIndex[id] as number;
    const isFirst = !seen.has(kind);
    seen.add(kind);
    let least = Number.POSITIVE_INFINITY;
    for (let node = 0; node < view.nodeCount; node++) {
      const ms = aloneMs(view, trace, id, node) + (isFirst ? coldMs(view, kind, node) : 0);
      least = Math.min(least, ms);
    }
    responseMs[id] = least;
    sum += least;
    cost += costOf(least, view.fn(kind).sloMs);
  }
  return { responseMs, responseMsMean: sum / trace.count, placementCost: cost / trace.count };
}

/** Start of the first container, the image not being there yet. */
function coldMs(view: ClusterView, functionIndex: number, node: number): number {
  const { coldStartMs, imageMb } = view.fn(functionIndex);
  return coldStartMs + transferMs(imageMb, view.node(node).pullMbps);
}

function aloneMs(view: ClusterView, trace: InvocationTrace, id: number, node: number): number {
  const fn = view.fn(trace.functionIndex[id] as number);
  const spec = view.node(node);
  const fits = spec.cores >= fn.cores && spec.memoryMb >= fn.memoryMb;
  if (!fits || spec.accelerators < fn.accelerators) return Number.POSITIVE_INFINITY;
  const speed = fn.accelerators > 0 ? spec.acceleratorSpeed : spec.speed;
  const dataMs = fn.dataSite === undefined ? 0 : view.rttMs(fn.dataSite, node);
  return (
    view.rttMs(trace.site[id] as number, node) + dataMs + (trace.durationMs[id] as number) / speed
  );
}
