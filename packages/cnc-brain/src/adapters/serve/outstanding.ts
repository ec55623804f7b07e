import type { PlacementRequest } from "../../scheduling/scheduler.ts";
import type { ServedCluster } from "./cluster-document.ts";

/** Decisions whose outcome was never told are forgotten beyond so many. */
const OUTSTANDING_MAX = 100_000;

/** A decision that was made and has not ended. */
export interface OutstandingDecision {
  request: PlacementRequest;
  nodes: readonly number[];
}

/**
 * Decisions under way: each counts on its node, in the view and in its tenant's quota, until its
 * outcome is told or too many newer ones have come.
 */
export class Outstanding {
  readonly #cluster: ServedCluster;
  readonly #decisions = new Map<number, OutstandingDecision>();

  constructor(cluster: ServedCluster) {
    this.#cluster = cluster;
  }

  get size(): number {
    return this.#decisions.size;
  }

  /** A decision was made; its quota is taken already. */
  add(request: PlacementRequest, nodes: readonly number[]): void {
    this.#decisions.set(request.id, { request, nodes });
    this.#count(request, nodes, 1);
    if (this.#decisions.size > OUTSTANDING_MAX) {
      const [oldest] = this.#decisions.keys();
      if (oldest !== undefined) this.end(oldest);
    }
  }

  /** It has ended; undefined: it is not known, or ended before. */
  end(id: number): OutstandingDecision | undefined {
    const decision = this.#decisions.get(id);
    if (decision === undefined) return undefined;
    this.#decisions.delete(id);
    this.#count(decision.request, decision.nodes, -1);
    this.#cluster.governor.release(decision.request.functionIndex);
    return decision;
  }

  /** What is kept on several nodes counts on each. A snapshot may have counted it out before. */
  #count({ functionIndex }: PlacementRequest, nodes: readonly number[], sign: 1 | -1): void {
    const { view } = this.#cluster;
    const fn = view.fn(functionIndex);
    for (const node of nodes) {
      const add = (column: Int32Array | Float64Array, amount: number) => {
        column[node] = Math.max(0, (column[node] as number) + sign * amount);
      };
      add(view.running, 1);
      add(view.coresRequested, fn.cores);
      add(view.memoryRequestedMb, fn.memoryMb);
      add(view.acceleratorsRequested, fn.accelerators);
      add(view.backlogMs, (fn.meanDurationMs * fn.cores) / view.node(node).speed);
      view.version[node] = (view.version[node] as number) + 1;
    }
  }
}
