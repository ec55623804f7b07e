import type { ExpertKey } from "../offload/routing.ts";
import { ArcCache, type ArcRules } from "./arc-cache.ts";
import type { ExpertPolicy, PolicyContext } from "./policy.ts";

/** One ARC per layer, with as many slots as the layer has; the body of `arc` and of `fate`. */
export class LayeredArc implements ExpertPolicy {
  readonly allResident = false;
  #expertCount: number;
  #caches: ArcCache[];

  constructor({ allocation, shape }: PolicyContext, rules: ArcRules) {
    this.#expertCount = shape.expertCount;
    this.#caches = allocation.slots.map(
      (slots, layer) => new ArcCache(slots, layer * shape.expertCount, shape.expertCount, rules),
    );
  }

  onUse(key: ExpertKey): void {
    this.#cacheOf(key)?.use(key);
  }

  onAdmit(key: ExpertKey): void {
    this.#cacheOf(key)?.admit(key);
  }

  onEvict(key: ExpertKey): void {
    this.#cacheOf(key)?.evict(key);
  }

  victim(incoming: ExpertKey, candidates: Int32Array, count: number, isPrefetch: boolean): number {
    const cache = this.#cacheOf(candidates[0] ?? incoming);
    return cache?.victim(incoming, candidates, count, isPrefetch) ?? -1;
  }

  #cacheOf(key: ExpertKey): ArcCache | undefined {
    return this.#caches[Math.floor(key / this.#expertCount)];
  }
}
