import type { ExpertKey, Routing, RoutingShape } from "../offload/routing.ts";
import { allocateShared } from "./allocation.ts";
import { indexOfLowest } from "./lowest.ts";
import type { ExpertPolicy, PolicyDefinition } from "./policy.ts";

/**
 * All layers share the slots. First leave experts that this pass over the layers has not touched
 * (neither used nor fetched), then those it has; in each group the one that came first leaves
 * first. Where prefetches run ahead this keeps them until their layer, which LRU does not.
 */
export const leastStale: PolicyDefinition = {
  name: "least-stale",
  help: "Shared slots; evicts what the current token has not touched yet, oldest arrival first.",
  source:
    "SpecMD: Hoang et al. 2026, arXiv 2602.03921. Two groups as described there; first in, first " +
    "out within a group is our reading, the code is not public",
  allocate: allocateShared,
  create: ({ shape }) => new LeastStalePolicy(shape),
};

class LeastStalePolicy implements ExpertPolicy {
  readonly allResident = false;
  /** By key: order of arrival, plus `FRESH` when this pass touched it. */
  #order: Float64Array;
  #arrivedAt: Float64Array;
  #touchedIn: Float64Array;
  #arrivals = 0;
  #pass = 0;
  #token = -1;

  constructor({ expertCount, layerCount }: RoutingShape) {
    this.#order = new Float64Array(layerCount * expertCount);
    this.#arrivedAt = new Float64Array(layerCount * expertCount);
    this.#touchedIn = new Float64Array(layerCount * expertCount).fill(-1);
  }

  onRouting(routing: Routing): void {
    if (routing.token !== this.#token) this.#pass++;
    this.#token = routing.token;
  }

  onUse(key: ExpertKey): void {
    this.#touchedIn[key] = this.#pass;
  }

  onAdmit(key: ExpertKey): void {
    this.#touchedIn[key] = this.#pass;
    this.#arrivedAt[key] = ++this.#arrivals;
  }

  victim(_incoming: ExpertKey, candidates: Int32Array, count: number): number {
    for (let i = 0; i < count; i++) {
      const key = candidates[i] ?? 0;
      const isFresh = this.#touchedIn[key] === this.#pass;
      this.#order[key] = (this.#arrivedAt[key] ?? 0) + (isFresh ? this.#arrivals + 1 : 0);
    }
    return indexOfLowest(this.#order, candidates, count);
  }
}
