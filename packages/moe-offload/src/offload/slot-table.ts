import type { Allocation } from "../policies/policy.ts";
import type { ExpertKey, RoutingShape } from "./routing.ts";

/** Where a slot plan puts what: slots of a class lie together, those of staging last in it. */
export interface SlotPlan {
  readonly slotCount: number;
  /** By layer: the region whose slots keep its experts; -1 for layers without routed experts. */
  readonly regionOfLayer: Int32Array;
  /** By layer: the region of its staging slots. */
  readonly stagingOfLayer: Int32Array;
  /** By layer: the region of slots of its class that no layer has at present. */
  readonly retiredOfLayer: Int32Array;
  /** Regions of layers first, then by class one of staging, then one of slots out of use. */
  readonly regionCount: number;
  readonly classCount: number;
  /** By slot: the region it begins in. */
  readonly regionOfSlot: Int32Array;
}

/**
 * Numbers the slots of an allocation.
 *
 * @param classOfLayer  class of each layer's experts (same types and sizes), from 0 without gaps;
 *                      layers without routed experts may have any
 * @returns the plan and, by class, how many slots it takes; slots of class 0 come first
 */
export function planSlots(
  shape: RoutingShape,
  allocation: Allocation,
  classOfLayer: (layer: number) => number,
): { plan: SlotPlan; slotsOfClass: number[] } {
  const classCount = 1 + Math.max(...shape.moeLayers.map(classOfLayer));
  const regionOfLayer = new Int32Array(shape.layerCount).fill(-1);
  const stagingOfLayer = new Int32Array(shape.layerCount).fill(-1);
  const retiredOfLayer = new Int32Array(shape.layerCount).fill(-1);
  const kept = allocation.isShared ? classCount : shape.layerCount;
  const regionOfSlot: number[] = [];
  const slotsOfClass: number[] = [];
  for (let index = 0; index < classCount; index++) {
    const before = regionOfSlot.length;
    const layers = shape.moeLayers.filter((layer) => classOfLayer(layer) === index);
    for (const layer of layers) {
      regionOfLayer[layer] = allocation.isShared ? index : layer;
      stagingOfLayer[layer] = kept + index;
      retiredOfLayer[layer] = kept + classCount + index;
      if (!allocation.isShared) append(regionOfSlot, layer, allocation.slots[layer] ?? 0);
    }
    if (allocation.isShared) {
      const share = layers.length / shape.moeLayers.length;
      // Without staging a region needs room for all experts of a token.
      const least = allocation.staging > 0 ? 0 : shape.expertUsedCount;
      const slots = Math.max(least, Math.floor((allocation.slots[0] ?? 0) * share));
      append(regionOfSlot, index, slots);
    }
    append(regionOfSlot, kept + index, allocation.staging);
    slotsOfClass.push(regionOfSlot.length - before);
  }
  const plan = {
    slotCount: regionOfSlot.length,
    regionOfLayer,
    stagingOfLayer,
    retiredOfLayer,
    regionCount: kept + 2 * classCount,
    classCount,
    regionOfSlot: Int32Array.from(regionOfSlot),
  };
  return { plan, slotsOfClass };
}

function append(regions: number[], region: number, count: number): void {
  for (let i = 0; i < count; i++) regions.push(region);
}

/**
 * Which expert lies in which slot, and which region each slot belongs to. A slot changes its region
 * by a change of two numbers here, without moving a byte.
 */
export class SlotTable {
  readonly plan: SlotPlan;
  /** By expert: its slot, or -1. */
  readonly slotOf: Int32Array;
  /** By slot: its expert, or -1. */
  readonly keyIn: Int32Array;
  readonly regionOf: Int32Array;
  /** By region: its slots, in no order; the first `countOf[region]` are valid. */
  readonly #members: Int32Array[];
  readonly #countOf: Int32Array;
  /** By region: how many of its slots are empty. */
  readonly #emptyCount: Int32Array;
  /** By slot: its place among its region's members. */
  readonly #placeOf: Int32Array;

  constructor(plan: SlotPlan, keyCount: number) {
    this.plan = plan;
    this.slotOf = new Int32Array(keyCount).fill(-1);
    this.keyIn = new Int32Array(plan.slotCount).fill(-1);
    this.regionOf = new Int32Array(plan.slotCount);
    this.#members = Array.from({ length: plan.regionCount }, () => new Int32Array(plan.slotCount));
    this.#countOf = new Int32Array(plan.regionCount);
    this.#emptyCount = new Int32Array(plan.regionCount);
    this.#placeOf = new Int32Array(plan.slotCount);
    for (let slot = 0; slot < plan.slotCount; slot++)
      this.#join(slot, plan.regionOfSlot[slot] ?? 0);
  }

  /** Slots of a region. */
  countOf(region: number): number {
    return this.#countOf[region] ?? 0;
  }

  /** The `index`-th slot of a region, in no order. */
  memberOf(region: number, index: number): number {
    return this.#members[region]?.[index] ?? -1;
  }

  /** An empty slot of a region, or -1. */
  emptyOf(region: number): number {
    const members = this.#members[region];
    const count = this.#countOf[region] ?? 0;
    if (members === undefined || this.#emptyCount[region] === 0) return -1;
    for (let i = 0; i < count; i++) {
      const slot = members[i] ?? -1;
      if (this.keyIn[slot] === -1) return slot;
    }
    return -1;
  }

  /** Puts an expert into an empty slot. */
  put(key: ExpertKey, slot: number): void {
    this.#countEmpty(this.regionOf[slot] ?? 0, -1);
    this.keyIn[slot] = key;
    this.slotOf[key] = slot;
  }

  /** Empties a slot. */
  take(slot: number): void {
    const key = this.keyIn[slot] ?? -1;
    if (key === -1) return;
    this.slotOf[key] = -1;
    this.keyIn[slot] = -1;
    this.#countEmpty(this.regionOf[slot] ?? 0, 1);
  }

  /** Swaps the regions of two slots. */
  swapRegions(a: number, b: number): void {
    const regionOfA = this.regionOf[a] ?? 0;
    const regionOfB = this.regionOf[b] ?? 0;
    if (regionOfA === regionOfB) return;
    this.move(a, regionOfB);
    this.move(b, regionOfA);
  }

  /** Gives a slot to another region. */
  move(slot: number, region: number): void {
    const from = this.regionOf[slot] ?? 0;
    const members = this.#members[from];
    if (members === undefined) return;
    const last = (this.#countOf[from] ?? 1) - 1;
    const moved = members[last] ?? 0;
    const place = this.#placeOf[slot] ?? 0;
    members[place] = moved;
    this.#placeOf[moved] = place;
    this.#countOf[from] = last;
    if (this.keyIn[slot] === -1) this.#countEmpty(from, -1);
    this.#join(slot, region);
  }

  #join(slot: number, region: number): void {
    const members = this.#members[region];
    const count = this.#countOf[region] ?? 0;
    if (members === undefined) return;
    members[count] = slot;
    this.#placeOf[slot] = count;
    this.#countOf[region] = count + 1;
    this.regionOf[slot] = region;
    if (this.keyIn[slot] === -1) this.#countEmpty(region, 1);
  }

  #countEmpty(region: number, change: number): void {
    this.#emptyCount[region] = (this.#emptyCount[region] ?? 0) + change;
  }
}
