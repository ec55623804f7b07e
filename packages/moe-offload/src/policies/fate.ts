import type { ExpertKey, RoutingShape } from "../offload/routing.ts";
import type { ArcRules } from "./arc-cache.ts";
import { LayeredArc } from "./layered-arc.ts";
import type { Allocation, ExpertPolicy, PolicyContext, PolicyDefinition } from "./policy.ts";

/** Layers that are cached in full before deeper ones get anything. @see Fate, L_shallow */
const SHALLOW_LAYERS = 4;

/** ARC as Fate's code has it: coarser steps, no special case at the target, B1 forgotten first. */
const RULES: ArcRules = {
  stepUp: ({ t1 }) => t1,
  stepDown: ({ t2 }) => t2,
  evictsAtTarget: false,
  forgetsB1First: true,
  countsAdmission: true,
};

/**
 * Fate's cache: the first four layers with experts in full, what is left in equal shares for the
 * deeper ones, ARC in each layer, filled with experts 0, 1, .. before the first token. Routed
 * experts are always kept; prefetched ones wait in staging and are forgotten unless used.
 *
 * The allocation is the release's formula with staging taken off the budget first, which the
 * release does not count. Its ARC may evict an expert that the current token needs and loads it
 * again for the next; here no needed expert is evicted.
 */
export const fate: PolicyDefinition = {
  name: "fate",
  help: "Caches the first four layers in full and shares the rest; ARC within each layer.",
  source:
    "Fate, arXiv 2502.12224, sections on the shallow-favoring cache; released code: " +
    "utils/memory_cost.py (allocation, exact) and expert_ARC_cache.py (eviction)",
  allocate(shape, slotCount, prefetchWidth): Allocation | number {
    const slots = shallowShares(shape, slotCount);
    const fewest = Math.min(...shape.moeLayers.map((layer) => slots[layer] ?? 0));
    if (prefetchWidth === 0 && fewest >= shape.expertUsedCount) {
      return { slots, isShared: false, staging: 0 };
    }
    const staging = shape.expertUsedCount + prefetchWidth;
    if (slotCount < staging) return staging;
    return { slots: shallowShares(shape, slotCount - staging), isShared: false, staging };
  },
  *initial({ allocation, shape }): Iterable<ExpertKey> {
    for (const layer of shape.moeLayers) {
      const slots = allocation.slots[layer] ?? 0;
      for (let expert = 0; expert < slots; expert++) yield layer * shape.expertCount + expert;
    }
  },
  create: (context) => new FatePolicy(context),
};

/**
 * Fate's shares of `slotCount` slots, by layer `[layerCount]`. With fewer than four full layers:
 * layers are filled one after the other. Otherwise the first four are full and each deeper one gets
 * the same whole number; what does not divide stays unused. Dense layers do not count, so that
 * DeepSeek's shallow layers are 1 to 4.
 */
export function shallowShares(shape: RoutingShape, slotCount: number): number[] {
  const { expertCount, layerCount, moeLayers } = shape;
  const slots = new Array<number>(layerCount).fill(0);
  const isFilling = Math.floor(slotCount / expertCount) < SHALLOW_LAYERS;
  const deepLayers = Math.max(1, moeLayers.length - SHALLOW_LAYERS);
  const perDeepLayer = Math.floor((slotCount - SHALLOW_LAYERS * expertCount) / deepLayers);
  moeLayers.forEach((layer, i) => {
    let share = slotCount - i * expertCount;
    if (!isFilling) share = i < SHALLOW_LAYERS ? expertCount : perDeepLayer;
    slots[layer] = Math.min(expertCount, Math.max(0, share));
  });
  return slots;
}

class FatePolicy extends LayeredArc implements ExpertPolicy {
  constructor(context: PolicyContext) {
    super(context, RULES);
  }

  override victim(
    incoming: ExpertKey,
    candidates: Int32Array,
    count: number,
    isPrefetch: boolean,
  ): number {
    return isPrefetch ? -1 : super.victim(incoming, candidates, count, isPrefetch);
  }
}
