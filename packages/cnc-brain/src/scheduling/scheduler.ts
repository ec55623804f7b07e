import type { ClusterView } from "../simulator/cluster-view.ts";

/** Nowhere now: the request waits at the gateway until something changes. */
export const QUEUE = -1;

/**
 * Where a request goes: a node's index, `QUEUE`, or several nodes that each keep a place in their
 * queues, of which the first that can start takes it (late binding).
 */
export type Decision = number | readonly number[];

/** Nodes that a request may run on: enough of everything in total, selectors, policies, up. */
export interface Candidates {
  /** 1 where the node is allowed, `[nodes]`. */
  readonly mask: Uint8Array;
  /** The same as rising indices. */
  readonly nodes: Int32Array;
}

/** What a scheduler may know of a request. Its duration is not among it. */
export interface PlacementRequest {
  /** Position in the trace; the same request keeps it through retries. */
  readonly id: number;
  readonly functionIndex: number;
  /** Site of the user. */
  readonly site: number;
  readonly arrivalMs: number;
  /** 0 at first; one more after each failure under it. */
  readonly attempt: number;
  readonly candidates: Candidates;
}

/** How a request ended. */
export interface Outcome {
  readonly request: PlacementRequest;
  readonly node: number;
  readonly responseMs: number;
  readonly isCold: boolean;
}

/** One criterion's part of a node's score; the score is the sum of weight x value. */
export interface ScorePart {
  criterion: string;
  weight: number;
  /** Higher is better. */
  value: number;
}

/**
 * Places requests. Heuristics and learned policies are this and nothing else: they read the
 * snapshot and the candidates, and never reach into the simulator or a cluster.
 *
 * A decision outside the candidates is refused by whoever asked (`BAD_DECISION`), so that no
 * scheduler can break a policy. The snapshot may be older than the truth (`view.takenAtMs`) and has
 * any number of nodes; `view.version[node]` rises whenever that node changed, for those who keep
 * encoded nodes between decisions.
 */
export interface Scheduler {
  readonly name: string;
  place(request: PlacementRequest, view: ClusterView): Decision;
  /** Set: requests are gathered and placed together this often. */
  readonly roundMs?: number;
  /** Places all that wait; one decision a request, in their order. */
  placeBatch?(requests: readonly PlacementRequest[], view: ClusterView): Decision[];
  /** Called for each request that ends, for those who learn. */
  onFinished?(outcome: Outcome): void;
  /** Scores of one node, where the choice is the highest sum; for explanations. */
  score?(request: PlacementRequest, view: ClusterView, node: number): ScorePart[];
}

/** Something that only counts and compares chooses the lowest; ties go to the lowest index. */
export function lowestOf(nodes: Int32Array, cost: (node: number) => number): number {
  let best = QUEUE;
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < nodes.length; i++) {
    const node = nodes[i] as number;
    const value = cost(node);
    if (value < least || best === QUEUE) {
      least = value;
      best = node;
    }
  }
  return best;
}
