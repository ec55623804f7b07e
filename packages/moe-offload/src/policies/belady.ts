import { assert } from "@fmlab/experiment";
import type { ExpertKey, Routing } from "../offload/routing.ts";
import { allocateEqually, allocateWithStaging, mayBypass } from "./allocation.ts";
import { indexOfLowest } from "./lowest.ts";
import type { ExpertPolicy, FutureUses, PolicyContext, PolicyDefinition } from "./policy.ts";

/**
 * With fewer slots per layer than this many times top-k, staging is worth its slots: an expert that
 * is used last of all then need not be kept. Measured on held-out prose, 32 experts, top-4: with 8
 * slots per layer declining gains 1.7 points of hit rate, with 16 and 24 it loses 0.2 and 0.3.
 */
const DECLINES_BELOW = 3;

/**
 * Belady's optimum on a recorded trace: the expert whose next use lies farthest ahead leaves. It
 * starts with the experts that are used first. With as many slots in each layer no other policy has
 * more hits; a bound, not a cache that can be built.
 *
 * Exact where every used expert is kept, and where one expert is used per token. With several, and
 * staging, a needed expert that has a slot stays for its token, as the protocol has it.
 *
 * @param mayDecline  takes staging slots out of the budget, so that an expert may be used without
 *                    being kept; otherwise, and by default with many slots, there is no staging
 */
export function defineBelady(name: string, mayDecline?: boolean): PolicyDefinition {
  return {
    name,
    help: "Knows the future of a recorded trace; the bound of all policies. Replay only.",
    source: "Belady 1966, IBM Systems Journal 5(2), MIN",
    needs: ["future"],
    allocate(shape, slotCount, prefetchWidth) {
      const few = DECLINES_BELOW * shape.expertUsedCount * shape.moeLayers.length;
      const allocate = (mayDecline ?? slotCount < few) ? allocateWithStaging : allocateEqually;
      return allocate(shape, slotCount, prefetchWidth);
    },
    initial: firstUsed,
    create: (context) => new BeladyPolicy(context),
  };
}

/** Declines where slots are few. */
export const belady = defineBelady("belady");

/** For each region, as many experts as it has slots, by rising first use. */
function firstUsed({ allocation, future, shape }: PolicyContext): ExpertKey[] {
  assert(future !== undefined, "belady needs the future of a trace");
  const { expertCount, layerCount, moeLayers } = shape;
  const layers = moeLayers.map((layer) =>
    Array.from({ length: expertCount }, (_, expert) => {
      const key = layer * expertCount + expert;
      return { key, layer, firstUse: future.nextUse(key, -1) * layerCount + layer };
    }),
  );
  const regions = allocation.isShared ? [layers.flat()] : layers;
  return regions.flatMap((region) => {
    region.sort((a, b) => (a.firstUse < b.firstUse ? -1 : a.firstUse > b.firstUse ? 1 : 0));
    const slots = allocation.slots[allocation.isShared ? 0 : (region[0]?.layer ?? 0)];
    return region.slice(0, slots).map(({ key }) => key);
  });
}

class BeladyPolicy implements ExpertPolicy {
  readonly allResident = false;
  #future: FutureUses;
  #mayBypass: boolean;
  #expertCount: number;
  #layerCount: number;
  #token = -1;
  #layer = -1;
  /** By key: minus the time of the next use, so that the lowest is the farthest. */
  #nearness: Float64Array;
  /** Experts of the current token that had no slot and have not been decided on. */
  #missing = new Set<ExpertKey>();

  constructor({ allocation, future, shape }: PolicyContext) {
    assert(future !== undefined, "belady needs the future of a trace");
    this.#future = future;
    this.#mayBypass = mayBypass(shape, allocation);
    this.#expertCount = shape.expertCount;
    this.#layerCount = shape.layerCount;
    this.#nearness = new Float64Array(shape.layerCount * shape.expertCount);
  }

  onRouting({ layer, token }: Routing): void {
    this.#token = token;
    this.#layer = layer;
    this.#missing.clear();
  }

  onUse(key: ExpertKey, isResident: boolean): void {
    if (!isResident) this.#missing.add(key);
  }

  victim(incoming: ExpertKey, candidates: Int32Array, count: number, isPrefetch: boolean): number {
    for (let i = 0; i < count; i++) {
      const key = candidates[i] ?? 0;
      this.#nearness[key] = -this.#nextUse(key);
    }
    const farthest = indexOfLowest(this.#nearness, candidates, count);
    if (incoming < 0 || (!isPrefetch && !this.#mayBypass)) return farthest;
    return this.#isWorthKeeping(incoming, candidates, count) ? farthest : -1;
  }

  /** True when `incoming` is used before all but `count - 1` of the candidates and other misses. */
  #isWorthKeeping(incoming: ExpertKey, candidates: Int32Array, count: number): boolean {
    this.#missing.delete(incoming);
    const own = this.#nextUse(incoming);
    let nearer = 0;
    for (let i = 0; i < count; i++) {
      if (-(this.#nearness[candidates[i] ?? 0] ?? 0) <= own) nearer++;
    }
    for (const other of this.#missing) {
      if (this.#nextUse(other) <= own) nearer++;
    }
    return nearer < count;
  }

  /** When the expert is used next, counted in layers; layers ahead are still to come this token. */
  #nextUse(key: ExpertKey): number {
    const layer = Math.floor(key / this.#expertCount);
    const after = layer > this.#layer ? this.#token - 1 : this.#token;
    return this.#future.nextUse(key, after) * this.#layerCount + layer;
  }
}
