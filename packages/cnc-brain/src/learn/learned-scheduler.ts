import {
  type Decision,
  type PlacementRequest,
  QUEUE,
  type Scheduler,
} from "../scheduling/scheduler.ts";
import type { ClusterView } from "../simulator/cluster-view.ts";
import { DecisionFrame, emptyRound, type RoundState } from "./decision-frame.ts";

/** Chooses for one encoded decision: a node with room, or `QUEUE` where the mask allows it. */
export interface Chooser {
  readonly name: string;
  choose(frame: DecisionFrame, request: PlacementRequest): number;
}

/** The node with the least expected response; waits only when no node has room. */
export const heuristicChooser: Chooser = {
  name: "least-response",
  choose: ({ fits, fitCount, prior }) => {
    let best = QUEUE;
    let highest = Number.NEGATIVE_INFINITY;
    for (let i = 0; i < fitCount; i++) {
      const node = fits[i] as number;
      if ((prior[node] as number) > highest) {
        highest = prior[node] as number;
        best = node;
      }
    }
    return best;
  },
};

/** Requests that are alike to the policy: same function, same site. */
interface Group {
  requests: { request: PlacementRequest; at: number }[];
  bestMs: number;
}

/**
 * A chooser as a scheduler. Requests are gathered for `roundMs` and placed one after another, the
 * one whose answer could come first before the others: min-cost flow's order, taken greedily.
 * With a chooser that knows nothing this is that heuristic.
 */
export function learnedScheduler(chooser: Chooser, roundMs = 1): Scheduler {
  let frame: DecisionFrame | undefined;
  const frameOf = (view: ClusterView) => {
    if (frame?.view !== view) frame = new DecisionFrame(view);
    return frame;
  };
  const placeBatch = (requests: readonly PlacementRequest[], view: ClusterView): Decision[] =>
    placeRound(chooser, frameOf(view), requests);
  return {
    name: chooser.name,
    roundMs,
    placeBatch,
    place: (request, view) => placeBatch([request], view)[0] ?? QUEUE,
  };
}

function placeRound(
  chooser: Chooser,
  frame: DecisionFrame,
  requests: readonly PlacementRequest[],
): Decision[] {
  const { view } = frame;
  const round = emptyRound(view.nodeCount, requests.length);
  const decisions: Decision[] = new Array(requests.length).fill(QUEUE);
  for (const { requests: members } of inOrder(frame, requests, round)) {
    for (const { request, at } of members) {
      frame.encode(request, round);
      // Where nothing has room there is nothing to decide, for the whole group.
      if (frame.fitCount === 0) break;
      const node = chooser.choose(frame, request);
      if (node === QUEUE) break;
      decisions[at] = node;
      const { cores, memoryMb } = view.fn(request.functionIndex);
      round.coresTaken[node] = (round.coresTaken[node] as number) + cores;
      round.memoryTakenMb[node] = (round.memoryTakenMb[node] as number) + memoryMb;
      round.waiting--;
    }
  }
  return decisions;
}

/** Groups by the response that their best node would give now, the shortest first. */
function inOrder(
  frame: DecisionFrame,
  requests: readonly PlacementRequest[],
  round: RoundState,
): Group[] {
  const groups = new Map<number, Group>();
  requests.forEach((request, at) => {
    const key = request.functionIndex * 65_536 + request.site;
    const group = groups.get(key);
    if (group === undefined) {
      frame.rank(request, round);
      groups.set(key, { requests: [{ request, at }], bestMs: frame.bestMs });
    } else {
      group.requests.push({ request, at });
    }
  });
  return [...groups.values()]
    .filter(({ bestMs }) => bestMs < Number.POSITIVE_INFINITY)
    .sort((a, b) => a.bestMs - b.bestMs);
}
