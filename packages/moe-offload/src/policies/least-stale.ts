import type { ExpertKey, Routing, RoutingShape } from "../offload/routing.ts";
import { allocateShared } from "./allocation.ts";
import { indexOfLowest } from "./lowest.ts";
import type { ExpertPolicy, PolicyDefinition } from "./policy.ts";

/**
 * All layers share the slots. First leave experts that this pass over the layers has not touched
 * (neither used nor fetched), then those it has. In each group those leave first whose layer comes
 * next the latest, and of one layer the one touched longest ago. A prefetched expert is so kept
 * until its layer, and layers that are done make room for those to come; LRU does the opposite.
 */
export const leastStale: PolicyDefinition = {
  name: "least-stale",
  help: "Shared slots; evicts what the current token has not touched, farthest layer first.",
  source:
    "SpecMD: Hoang et al. 2026, arXiv 2602.03921. The two groups are the paper's; the order within " +
    "a group is our reading (by age alone it would be LRU over all layers); no code is public",
  allocate: allocateShared,
  create: ({ shape }) => new LeastStalePolicy(shape),
};

class LeastStalePolicy implements ExpertPolicy {
  readonly allResident = false;
  #expertCount: number;
  #layerCount: number;
  #touchedAt: Float64Array;
  /** By key: the pass that touched it last. */
  #touchedIn: Float64Array;
  /** By key: who leaves first has the lowest. */
  #order: Float64Array;
  #now = 0;
  #pass = 0;
  #token = -1;
  #layer = 0;

  constructor({ expertCount, layerCount }: RoutingShape) {
    this.#expertCount = expertCount;
    this.#layerCount = layerCount;
    this.#touchedAt = new Float64Array(layerCount * expertCount);
    this.#touchedIn = new Float64Array(layerCount * expertCount).fill(-1);
    this.#order = new Float64Array(layerCount * expertCount);
  }

  onRouting({ layer, token }: Routing): void {
    if (token !== this.#token) this.#pass++;
    this.#token = token;
    this.#layer = layer;
  }

  onUse(key: ExpertKey): void {
    this.#touch(key);
  }

  onAdmit(key: ExpertKey): void {
    if (this.#touchedIn[key] !== this.#pass) this.#touch(key);
  }

  victim(_incoming: ExpertKey, candidates: Int32Array, count: number): number {
    // Each criterion outweighs all of the next: groups, then layers, then age.
    const layerWeight = this.#now + 1;
    const groupWeight = layerWeight * (this.#layerCount + 1);
    for (let i = 0; i < count; i++) {
      const key = candidates[i] ?? 0;
      const group = this.#touchedIn[key] === this.#pass ? groupWeight : 0;
      const age = this.#touchedAt[key] ?? 0;
      this.#order[key] = group - this.#distance(key) * layerWeight + age;
    }
    return indexOfLowest(this.#order, candidates, count);
  }

  #touch(key: ExpertKey): void {
    this.#touchedAt[key] = ++this.#now;
    this.#touchedIn[key] = this.#pass;
  }

  /** Layers until the expert's layer comes next: as many as there are for the current one. */
  #distance(key: ExpertKey): number {
    const ahead = Math.floor(key / this.#expertCount) - this.#layer;
    return ahead > 0 ? ahead : ahead + this.#layerCount;
  }
}
