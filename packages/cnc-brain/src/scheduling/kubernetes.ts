import type { Prng } from "@fmlab/sim";
import type { ClusterView } from "../simulator/cluster-view.ts";
import {
  balancedImprovementScore,
  balancedScore,
  imageLocalityScore,
  leastAllocatedScore,
  mostAllocatedScore,
} from "./kubernetes-scores.ts";
import { type PlacementRequest, QUEUE, type Scheduler, type ScorePart } from "./scheduler.ts";

/** Which Kubernetes. */
export interface KubernetesOptions {
  /** `improvement`: today's BalancedAllocation; `classic`: the long-standing one. */
  balanced: "classic" | "improvement";
  /** NodeResourcesFit's strategy. */
  fit: "least-allocated" | "most-allocated";
}

/**
 * Kubernetes' default scheduler as far as this cluster has what it scores: filter by requests, then
 * NodeResourcesFit, NodeResourcesBalancedAllocation and ImageLocality at weight 1 each. Taints,
 * spreading and affinity are equal for all nodes here. Ties are broken at random, as there.
 *
 * Requests, never use, decide: a request waits while no node has room beside what was sent to it.
 *
 * @see kubernetes.io, Scheduler Configuration; the weights are recalled, not read
 */
export function kubernetes(prng: Prng, options: KubernetesOptions): Scheduler {
  const classic = options.balanced === "classic" ? "-classic" : "";
  const name = options.fit === "most-allocated" ? "most-allocated" : `kubernetes${classic}`;
  const score = (request: PlacementRequest, view: ClusterView, node: number): ScorePart[] => {
    const { memoryMb, cores, imageMb } = view.fn(request.functionIndex);
    const spec = view.node(node);
    const usedCores = view.coresRequested[node] as number;
    const usedMb = view.memoryRequestedMb[node] as number;
    const before = [usedCores / spec.cores, usedMb / spec.memoryMb];
    const after = [(usedCores + cores) / spec.cores, (usedMb + memoryMb) / spec.memoryMb];
    const isMost = options.fit === "most-allocated";
    return [
      part(
        isMost ? "MostAllocated" : "LeastAllocated",
        (isMost ? mostAllocatedScore : leastAllocatedScore)(after),
      ),
      part(
        "BalancedAllocation",
        options.balanced === "classic"
          ? balancedScore(after)
          : balancedImprovementScore(before, after),
      ),
      part("ImageLocality", imageScore(request.functionIndex, view, node, imageMb)),
    ];
  };
  return {
    name,
    score,
    place(request, view) {
      let best = QUEUE;
      let highest = Number.NEGATIVE_INFINITY;
      let ties = 0;
      for (const node of request.candidates.nodes) {
        if (!view.fits(node, request.functionIndex)) continue;
        const total = score(request, view, node).reduce((sum, p) => sum + p.weight * p.value, 0);
        if (total > highest) {
          highest = total;
          best = node;
          ties = 1;
        } else if (total === highest) {
          ties++;
          if (prng.nextInt(ties) === 0) best = node;
        }
      }
      return best;
    },
  };
}

const part = (criterion: string, value: number): ScorePart => ({ criterion, weight: 1, value });

function imageScore(fn: number, view: ClusterView, node: number, imageMb: number): number {
  if (imageMb === 0 || !view.imageAt(node, fn)) return 0;
  let nodesWithImage = 0;
  for (let i = 0; i < view.nodeCount; i++) if (view.imageAt(i, fn)) nodesWithImage++;
  return imageLocalityScore(imageMb, nodesWithImage, view.nodeCount);
}
