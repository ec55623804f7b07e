import type { PolicyDefinition } from "./policy.ts";

/** Keeps nothing: each expert a token needs is loaded for that token and layer. The lower bound. */
export const onDemand: PolicyDefinition = {
  name: "on-demand",
  help: "Nothing is kept: every expert is loaded each time a token needs it.",
  source: "load on demand, the baseline of Fate (arXiv 2502.12224) and others",
  allocate(shape, slotCount, prefetchWidth) {
    const staging = shape.expertUsedCount + prefetchWidth;
    if (slotCount < staging) return staging;
    return { slots: new Array<number>(shape.layerCount).fill(0), isShared: false, staging };
  },
  create: () => ({ allResident: false, victim: () => -1 }),
};
