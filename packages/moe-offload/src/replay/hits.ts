import { assert } from "@fmlab/experiment";
import type { Allocation, ExpertPolicy, PolicyDefinition } from "../policies/policy.ts";
import { RoutingCursor } from "../traces/routing-cursor.ts";
import type { Trace } from "../traces/trace.ts";
import { allocateSlots } from "./allocate-slots.ts";
import type { PolicyKnowledge } from "./replayer.ts";

/** A cache to count hits in. */
export interface HitOptions {
  readonly policy: PolicyDefinition;
  readonly knowledge?: PolicyKnowledge;
  /** Slots that the budget pays for, staging included; shared out by the policy. */
  readonly slotCount: number;
  /** How slots are shared out, in place of what the policy would do. */
  readonly allocation?: Allocation;
  /** First tokens that pass before anything is counted. */
  readonly warmupTokens?: number;
}

/** Hits of a replay without time. */
export interface HitCounts {
  readonly tokenCount: number;
  /** Chosen experts that were in a slot, by place in `shape.moeLayers`. */
  readonly hits: Float64Array;
  /** Chosen experts, likewise. */
  readonly uses: Float64Array;
  /** All hits over all uses. */
  readonly hitRate: number;
}

/**
 * Counts the hits of a policy on a trace as the scheduler would have them without prefetching,
 * whatever the link: no time, no slots, only who is kept. Made for speed; see
 * `bench/moe-replay.bench.ts`.
 *
 * @throws MoeError `BUDGET_TOO_SMALL`
 */
export function countHits(trace: Trace, options: HitOptions): HitCounts {
  const { shape, tokenCount } = trace;
  const { policy, slotCount, knowledge } = options;
  const missCurves = knowledge?.missCurves;
  const allocation = options.allocation ?? allocateSlots(shape, { policy, slotCount, missCurves });
  const context = { shape, allocation, ...knowledge };
  const isShared = allocation.isShared;
  const keyCount = shape.layerCount * shape.expertCount;
  const sizes = isShared ? [allocation.slots[0] ?? 0] : allocation.slots;
  const regions = sizes.map((size) => new Region(size, keyCount, allocation.staging > 0));
  const regionOf = (layer: number) => regions[isShared ? 0 : layer] as Region;
  const expertPolicy = policy.create(context);
  for (const key of policy.initial?.(context) ?? []) {
    regionOf(Math.floor(key / shape.expertCount)).add(key);
    expertPolicy.onAdmit?.(key);
  }
  const layers = shape.moeLayers.length;
  const hits = new Float64Array(layers);
  const uses = new Float64Array(layers);
  const cursor = new RoutingCursor(trace);
  const warmup = options.warmupTokens ?? 0;
  for (let token = 0; token < tokenCount; token++) {
    for (let index = 0; index < layers; index++) {
      const routing = cursor.at(token, index);
      expertPolicy.onRouting?.(routing);
      const firstKey = routing.layer * shape.expertCount;
      const found = regionOf(routing.layer).use(expertPolicy, routing.experts, firstKey);
      if (token < warmup) continue;
      hits[index] = (hits[index] ?? 0) + found;
      uses[index] = (uses[index] ?? 0) + routing.experts.length;
    }
  }
  const sum = (values: Float64Array) => values.reduce((a, b) => a + b, 0);
  const hitRate = sum(uses) === 0 ? 0 : sum(hits) / sum(uses);
  return { tokenCount: Math.max(0, tokenCount - warmup), hits, uses, hitRate };
}

/** Slots that one layer, or all layers together, keep experts in. */
class Region {
  readonly #size: number;
  readonly #hasStaging: boolean;
  /** Kept experts that the current layer does not need come first; `#count` are valid. */
  readonly #keys: Int32Array;
  readonly #placeOf: Int32Array;
  #count = 0;

  constructor(size: number, keyCount: number, hasStaging: boolean) {
    this.#size = size;
    this.#hasStaging = hasStaging;
    this.#keys = new Int32Array(size);
    this.#placeOf = new Int32Array(keyCount).fill(-1);
  }

  add(key: number): void {
    assert(this.#count < this.#size, "a policy places no more experts than it has slots");
    this.#put(key, this.#count++);
  }

  /** One layer needs these experts; returns how many were kept. */
  use(policy: ExpertPolicy, experts: Int32Array, firstKey: number): number {
    const placeOf = this.#placeOf;
    // Needed experts are moved behind all others, so that what is before them may be evicted.
    let evictable = this.#count;
    let hits = 0;
    for (let i = 0; i < experts.length; i++) {
      const key = firstKey + (experts[i] ?? 0);
      const place = placeOf[key] ?? -1;
      policy.onUse?.(key, place !== -1);
      if (place === -1) continue;
      hits++;
      evictable--;
      this.#put(this.#keys[evictable] ?? 0, place);
      this.#put(key, evictable);
    }
    if (hits === experts.length) return hits;
    for (let i = 0; i < experts.length; i++) {
      const key = firstKey + (experts[i] ?? 0);
      if (placeOf[key] !== -1) continue;
      if (this.#count < this.#size) this.add(key);
      else if (evictable === 0 || !this.#replace(policy, key, evictable)) continue;
      else evictable--;
      policy.onAdmit?.(key);
    }
    return hits;
  }

  #replace(policy: ExpertPolicy, key: number, evictable: number): boolean {
    const chosen = policy.victim(key, this.#keys, evictable, false);
    assert(chosen !== -1 || this.#hasStaging, "a policy that declines an expert has staging");
    if (chosen === -1) return false;
    const evicted = this.#keys[chosen] ?? 0;
    this.#put(this.#keys[evictable - 1] ?? 0, chosen);
    this.#put(key, evictable - 1);
    this.#placeOf[evicted] = -1;
    policy.onEvict?.(evicted);
    return true;
  }

  #put(key: number, place: number): void {
    this.#keys[place] = key;
    this.#placeOf[key] = place;
  }
}
