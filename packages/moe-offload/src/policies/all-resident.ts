import type { ExpertKey } from "../offload/routing.ts";
import type { PolicyDefinition } from "./policy.ts";

/** Every expert is loaded once, before the first token: the upper bound of every other policy. */
export const allResident: PolicyDefinition = {
  name: "all-resident",
  help: "All experts are loaded before the first token; needs memory for all of them.",
  source: "no offloading",
  allocate({ expertCount, layerCount, moeLayers }, slotCount) {
    const needed = moeLayers.length * expertCount;
    if (slotCount < needed) return needed;
    const slots = new Array<number>(layerCount).fill(0);
    for (const layer of moeLayers) slots[layer] = expertCount;
    return { slots, isShared: false, staging: 0 };
  },
  *initial({ shape: { expertCount, moeLayers } }): Iterable<ExpertKey> {
    for (const layer of moeLayers) {
      for (let expert = 0; expert < expertCount; expert++) yield layer * expertCount + expert;
    }
  },
  create: () => ({ allResident: true, victim: () => -1 }),
};
