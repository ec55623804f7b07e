import type { PlacementRequest, Scheduler } from "../../scheduling/scheduler.ts";
import type { ClusterView } from "../../simulator/cluster-view.ts";
import { MAX_EXTENDER_PRIORITY } from "./extender-wire.ts";

/**
 * A scheduler's preference among candidates as whole numbers of 0 to 10, by node. One with scores
 * of its own has them stretched over the range; of any other the node it would choose has 10.
 */
export function scoresOf(
  scheduler: Scheduler,
  request: PlacementRequest,
  view: ClusterView,
): Map<number, number> {
  const { nodes } = request.candidates;
  if (nodes.length === 0) return new Map();
  if (scheduler.score === undefined) {
    const decision = scheduler.place(request, view);
    const chosen = typeof decision === "number" ? [decision] : decision;
    return new Map(
      [...nodes].map((node) => [node, chosen.includes(node) ? MAX_EXTENDER_PRIORITY : 0]),
    );
  }
  const totals = [...nodes].map((node) => {
    const parts = scheduler.score?.(request, view, node) ?? [];
    return parts.reduce((sum, { weight, value }) => sum + weight * value, 0);
  });
  const low = Math.min(...totals);
  const range = Math.max(...totals) - low;
  return new Map(
    [...nodes].map((node, i) => {
      const share = range > 0 ? ((totals[i] as number) - low) / range : 1;
      return [node, Math.round(MAX_EXTENDER_PRIORITY * share)];
    }),
  );
}
