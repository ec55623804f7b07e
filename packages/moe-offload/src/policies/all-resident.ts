import type { Placement, PolicyDefinition } from "./policy.ts";

/** Every expert is loaded once, before the first token: the upper bound of every other policy. */
export const allResident: PolicyDefinition = {
  name: "all-resident",
  help: "All experts are loaded before the first token; needs memory for all of them.",
  slotsMin: (shape) => shape.layerCount * shape.expertCount,
  slotsUsed: (shape) => shape.layerCount * shape.expertCount,
  slotsPerLayer: (shape) => shape.expertCount,
  create(shape) {
    return {
      allResident: true,
      *initial(): Iterable<Placement> {
        for (let layer = 0; layer < shape.layerCount; layer++) {
          for (let expert = 0; expert < shape.expertCount; expert++) {
            yield { layer, expert, slot: layer * shape.expertCount + expert };
          }
        }
      },
      place(layer, experts, slots, loads) {
        for (let i = 0; i < experts.length; i++) {
          slots[i] = layer * shape.expertCount + (experts[i] ?? 0);
        }
        loads.fill(0);
      },
    };
  },
};
