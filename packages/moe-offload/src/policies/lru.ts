import type { ExpertKey, RoutingShape } from "../offload/routing.ts";
import { allocateEqually } from "./allocation.ts";
import { indexOfLowest } from "./lowest.ts";
import type { ExpertPolicy, PolicyDefinition } from "./policy.ts";

/**
 * Each layer keeps the experts it used last. Among the experts of one token a later one in the
 * router's order counts as used later; a prefetched one counts as used when it is admitted.
 */
export const lru: PolicyDefinition = {
  name: "lru",
  help: "Each layer keeps the experts it used last, in equally many slots.",
  source: "mixtral-offloading: Eliseev and Mazur 2023, arXiv 2312.17238 (its cache, exactly)",
  allocate: allocateEqually,
  create: ({ shape }) => new LruPolicy(shape),
};

class LruPolicy implements ExpertPolicy {
  readonly allResident = false;
  /** By key: when it was last used, counted in uses; 0 when never. */
  #usedAt: Float64Array;
  #now = 0;
  /** `#now` when the current layer's router spoke: later stamps belong to its experts. */
  #layerBegin = 0;

  constructor(shape: RoutingShape) {
    this.#usedAt = new Float64Array(shape.layerCount * shape.expertCount);
  }

  onRouting(): void {
    this.#layerBegin = this.#now;
  }

  onUse(key: ExpertKey): void {
    this.#usedAt[key] = ++this.#now;
  }

  onAdmit(key: ExpertKey): void {
    if ((this.#usedAt[key] ?? 0) <= this.#layerBegin) this.#usedAt[key] = ++this.#now;
  }

  victim(_incoming: ExpertKey, candidates: Int32Array, count: number): number {
    return indexOfLowest(this.#usedAt, candidates, count);
  }
}
