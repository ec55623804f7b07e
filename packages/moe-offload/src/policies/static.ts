import { assert } from "@fmlab/experiment";
import type { ExpertKey } from "../offload/routing.ts";
import { indexOfLowest } from "./lowest.ts";
import type { PolicyDefinition } from "./policy.ts";

/**
 * The experts that earlier text used most, over all layers, are loaded before the first token and
 * stay. All others are used from staging and forgotten.
 */
export const staticPopularity: PolicyDefinition = {
  name: "static",
  help: "Keeps the experts that earlier text used most; nothing ever leaves.",
  source: "Fiddler's placement by popularity, arXiv 2402.07033 (placement only, no CPU compute)",
  needs: ["popularity"],
  learns: true,
  allocate(shape, slotCount, prefetchWidth) {
    const staging = shape.expertUsedCount + prefetchWidth;
    if (slotCount < staging) return staging;
    const slots = Math.min(slotCount - staging, shape.moeLayers.length * shape.expertCount);
    return { slots: [slots], isShared: true, staging };
  },
  initial({ allocation, popularity, shape }): Iterable<ExpertKey> {
    assert(popularity !== undefined, "static needs the popularity of experts");
    const keys: ExpertKey[] = [];
    for (const layer of shape.moeLayers) {
      for (let expert = 0; expert < shape.expertCount; expert++) {
        keys.push(layer * shape.expertCount + expert);
      }
    }
    keys.sort((a, b) => (popularity[b] ?? 0) - (popularity[a] ?? 0) || a - b);
    return keys.slice(0, allocation.slots[0]);
  },
  create({ popularity }) {
    assert(popularity !== undefined, "static needs the popularity of experts");
    return {
      allResident: false,
      victim: (incoming, candidates, count) =>
        incoming < 0 ? indexOfLowest(popularity, candidates, count) : -1,
    };
  },
};
