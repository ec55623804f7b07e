import type { PolicyDefinition } from "./policy.ts";

/** Keeps nothing: each expert a token needs is loaded for that token and layer. The lower bound. */
export const onDemand: PolicyDefinition = {
  name: "on-demand",
  help: "Nothing is kept: every expert is loaded each time a token needs it.",
  slotsMin: (shape) => shape.expertUsedCount,
  slotsUsed: (shape) => shape.expertUsedCount,
  slotsPerLayer: () => 0,
  create() {
    return {
      allResident: false,
      initial: () => [],
      place(_layer, experts, slots, loads) {
        for (let i = 0; i < experts.length; i++) slots[i] = i;
        loads.fill(1);
      },
    };
  },
};
