import type { MoeShape } from "../engine/interfaces.ts";
import type { ExpertPolicy, PolicyDefinition } from "./policy.ts";

/**
 * Keeps the most recently used experts of each layer, with equally many slots for every layer: slot
 * `layer * slotsPerLayer + i`. Among the experts of one token a later one in the router's order
 * counts as used later.
 */
export const lru: PolicyDefinition = {
  name: "lru",
  help: "Each layer keeps the experts it used last, in equally many slots.",
  slotsMin: (shape) => shape.layerCount * shape.expertUsedCount,
  slotsUsed: (shape, allowed) => shape.layerCount * perLayer(shape, allowed),
  slotsPerLayer: perLayer,
  create: (shape, slotsUsed) => new LruPolicy(shape, perLayer(shape, slotsUsed)),
};

function perLayer(shape: MoeShape, slots: number): number {
  return Math.min(shape.expertCount, Math.floor(slots / shape.layerCount));
}

class LruPolicy implements ExpertPolicy {
  readonly allResident = false;
  #slotsPerLayer: number;
  #expertCount: number;
  /** By layer and slot: the expert in it, -1 when empty. */
  #expertIn: Int32Array;
  /** By layer and slot: when it was last used; 0 when never. */
  #usedAt: Float64Array;
  /** By layer and expert: its slot within the layer, -1 when absent. */
  #slotOf: Int32Array;
  #now = 0;

  constructor(shape: MoeShape, slotsPerLayer: number) {
    this.#slotsPerLayer = slotsPerLayer;
    this.#expertCount = shape.expertCount;
    this.#expertIn = new Int32Array(shape.layerCount * slotsPerLayer).fill(-1);
    this.#usedAt = new Float64Array(shape.layerCount * slotsPerLayer);
    this.#slotOf = new Int32Array(shape.layerCount * shape.expertCount).fill(-1);
  }

  initial(): [] {
    return [];
  }

  place(layer: number, experts: Int32Array, slots: Int32Array, loads: Uint8Array): void {
    const base = layer * this.#slotsPerLayer;
    const experts0 = layer * this.#expertCount;
    const start = this.#now;
    // Hits first, so that none of them is evicted for a miss of the same token.
    for (let i = 0; i < experts.length; i++) {
      const at = this.#slotOf[experts0 + (experts[i] ?? 0)] ?? -1;
      loads[i] = at < 0 ? 1 : 0;
      slots[i] = base + at;
      if (at >= 0) this.#usedAt[base + at] = start + 1 + i;
    }
    for (let i = 0; i < experts.length; i++) {
      if (loads[i] === 0) continue;
      const slot = this.#leastRecent(base);
      const evicted = this.#expertIn[slot] ?? -1;
      if (evicted >= 0) this.#slotOf[experts0 + evicted] = -1;
      const expert = experts[i] ?? 0;
      this.#expertIn[slot] = expert;
      this.#slotOf[experts0 + expert] = slot - base;
      this.#usedAt[slot] = start + 1 + i;
      slots[i] = slot;
    }
    this.#now = start + experts.length;
  }

  /** The layer's slot that was used longest ago; empty slots before all others, lowest first. */
  #leastRecent(base: number): number {
    let oldest = base;
    for (let slot = base + 1; slot < base + this.#slotsPerLayer; slot++) {
      if ((this.#usedAt[slot] ?? 0) < (this.#usedAt[oldest] ?? 0)) oldest = slot;
    }
    return oldest;
  }
}
