import { requireSetting } from "../errors.ts";
import type { ClusterView } from "../simulator/cluster-view.ts";
import { expectedResponse, totalOf } from "./expected-response.ts";
import { MinCostFlow } from "./flow-solver.ts";
import { type Decision, type PlacementRequest, QUEUE, type Scheduler } from "./scheduler.ts";

/** Requests that are alike to the network: same function, same site, same candidates. */
interface Group {
  first: PlacementRequest;
  members: number[];
}

/**
 * All waiting requests at once, as a flow: from each kind of request to nodes with free cores, at
 * the response expected there, so that the most are placed and at the least sum. The others wait
 * for the next round.
 *
 * @param roundMs between two rounds
 * @see Isard et al. 2009, Quincy; Gog et al. 2016, Firmament (OSDI): the same idea with more arcs
 */
export function minCostFlow(roundMs = 10): Scheduler {
  requireSetting(roundMs > 0, "roundMs", roundMs, "above 0");
  return {
    name: "min-cost-flow",
    roundMs,
    place: (request, view) => placeAll([request], view)[0] ?? QUEUE,
    placeBatch: placeAll,
  };
}

function placeAll(requests: readonly PlacementRequest[], view: ClusterView): Decision[] {
  const groups = groupAlike(requests);
  const widest = Math.max(...groups.map(({ first }) => view.fn(first.functionIndex).cores), 1e-9);
  const nodeAt = 1 + groups.length;
  const sink = nodeAt + view.nodeCount;
  const flow = new MinCostFlow(sink + 1);
  const arcs = groups.map(({ first, members }, g) => {
    flow.addArc(0, 1 + g, members.length, 0);
    return [...first.candidates.nodes].flatMap((node) => {
      if (!view.fits(node, first.functionIndex)) return [];
      const parts = expectedResponse(view, first.functionIndex, first.site, node);
      const arc = flow.addArc(1 + g, nodeAt + node, members.length, totalOf(parts));
      return [{ arc, node }];
    });
  });
  for (let node = 0; node < view.nodeCount; node++) {
    const free = view.node(node).cores - (view.coresRequested[node] as number);
    const slots = Math.floor(free / widest + 1e-9);
    if (slots > 0) flow.addArc(nodeAt + node, sink, slots, 0);
  }
  flow.solve(0, sink);
  const decisions: Decision[] = requests.map(() => QUEUE);
  const memoryLeft = view.nodes.map((n, i) => n.memoryMb - (view.memoryRequestedMb[i] as number));
  groups.forEach(({ first, members }, g) => {
    const { memoryMb } = view.fn(first.functionIndex);
    let next = 0;
    for (const { arc, node } of arcs[g] ?? []) {
      for (let units = flow.flowOn(arc); units > 0; units--) {
        // Slots count cores; memory may run out before.
        if ((memoryLeft[node] as number) < memoryMb) break;
        memoryLeft[node] = (memoryLeft[node] as number) - memoryMb;
        decisions[members[next++] as number] = node;
      }
    }
  });
  return decisions;
}

function groupAlike(requests: readonly PlacementRequest[]): Group[] {
  const groups = new Map<string, Group>();
  requests.forEach((request, i) => {
    const key = `${request.functionIndex}/${request.site}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { first: request, members: [i] });
    else group.members.push(i);
  });
  return [...groups.values()];
}
