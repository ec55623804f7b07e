import { assert } from "@fmlab/experiment";
import type { ExpertPolicy } from "../policies/policy.ts";
import type { Lane } from "./lane.ts";
import type { ExpertKey, RoutingShape } from "./routing.ts";
import type { ScheduleCounts } from "./scheduler.ts";
import type { SlotTable } from "./slot-table.ts";

/**
 * Finds slots for experts and moves them between the regions of layers and of staging, as the
 * policy decides. It knows who is needed now (pinned) and who was prefetched.
 */
export class Residency {
  readonly table: SlotTable;
  /** Staging slots that prefetches leave empty, for what the current layer is about to demand. */
  reserved = 0;
  readonly #shape: RoutingShape;
  readonly #policy: ExpertPolicy;
  readonly #lane: Lane;
  readonly #counts: ScheduleCounts;
  readonly #isPinned: Uint8Array;
  /** By slot: 1 while it holds a prefetched expert that has not been used yet. */
  readonly #isPrefetched: Uint8Array;
  /** Pinned slots, the first `#pinnedCount` are valid. */
  readonly #pinned: Int32Array;
  #pinnedCount = 0;
  readonly #candidates: Int32Array;

  constructor(
    table: SlotTable,
    shape: RoutingShape,
    policy: ExpertPolicy,
    lane: Lane,
    counts: ScheduleCounts,
  ) {
    const { slotCount } = table.plan;
    this.table = table;
    this.#shape = shape;
    this.#policy = policy;
    this.#lane = lane;
    this.#counts = counts;
    this.#isPinned = new Uint8Array(slotCount);
    this.#isPrefetched = new Uint8Array(slotCount);
    this.#pinned = new Int32Array(slotCount);
    this.#candidates = new Int32Array(slotCount);
  }

  /** A slot of the expert's region for an expert that is there from the start; -1 if it is full. */
  placeInitial(key: ExpertKey): number {
    const slot = this.table.emptyOf(this.#regionOf(key));
    if (slot !== -1) this.#admit(key, slot);
    return slot;
  }

  /** The current layer needs this slot. */
  pin(slot: number): void {
    if (this.#isPinned[slot] === 1) return;
    this.#isPinned[slot] = 1;
    this.#pinned[this.#pinnedCount++] = slot;
    if (this.#isPrefetched[slot] === 1) {
      this.#isPrefetched[slot] = 0;
      this.#counts.prefetchesUsed++;
    }
  }

  /** A slot, pinned, for an expert that the current layer needs and that has none. */
  demand(key: ExpertKey, layer: number): number {
    const region = this.table.plan.regionOfLayer[layer] ?? -1;
    let slot = this.table.emptyOf(region);
    if (slot === -1) slot = this.#evictFor(key, region, false);
    if (slot !== -1) this.#admit(key, slot);
    else {
      slot = this.#stagingSlot(layer);
      assert(slot !== -1, "a policy that refuses a demanded expert has staging for it");
      this.table.put(key, slot);
    }
    this.pin(slot);
    return slot;
  }

  /**
   * A slot for an expert that is predicted, or -1 when it is not worth one. It is not pinned.
   */
  prefetch(key: ExpertKey, layer: number): number {
    const { table } = this;
    let slot = -1;
    if (this.#emptyStaging(layer) > this.reserved) {
      slot = table.emptyOf(table.plan.stagingOfLayer[layer] ?? -1);
      table.put(key, slot);
    } else {
      const region = table.plan.regionOfLayer[layer] ?? -1;
      slot = table.emptyOf(region);
      if (slot === -1) slot = this.#evictFor(key, region, true);
      if (slot === -1) return -1;
      this.#admit(key, slot);
    }
    this.#isPrefetched[slot] = 1;
    return slot;
  }

  /**
   * A slot for an expert that was computed as its twin, if the policy would have kept it: from its
   * next use on it is there in full. Waits for nothing; -1 where that would need waiting.
   */
  upgrade(key: ExpertKey, layer: number): number {
    const region = this.table.plan.regionOfLayer[layer] ?? -1;
    let slot = this.table.emptyOf(region);
    if (slot === -1 && this.#evictable(region) > 0) slot = this.#evictFor(key, region, false);
    if (slot !== -1) this.#admit(key, slot);
    return slot;
  }

  /** Takes a prefetch back that was not chosen and has not begun; true when it was possible. */
  withdraw(key: ExpertKey): boolean {
    const slot = this.table.slotOf[key] ?? -1;
    if (slot === -1 || this.#isPrefetched[slot] === 0 || this.#lane.isReady(slot)) return false;
    if (!this.#lane.withdraw(slot)) return false;
    this.#counts.prefetchesWithdrawn++;
    this.#isPrefetched[slot] = 0;
    this.#vacate(slot);
    return true;
  }

  /** A prefetched expert was not chosen when its layer came. */
  waste(key: ExpertKey): void {
    const slot = this.table.slotOf[key] ?? -1;
    if (slot === -1 || this.#isPrefetched[slot] === 0) return;
    this.#isPrefetched[slot] = 0;
    this.#counts.prefetchesWasted++;
    // What only waited in staging has no claim to stay.
    if (this.#isStaging(slot) && this.#lane.isReady(slot)) this.table.take(slot);
  }

  /** Lets chosen experts that wait in staging compete for slots of their layer. */
  adoptStaged(slots: Int32Array, isMissing: Uint8Array, count: number): void {
    for (let i = 0; i < count; i++) {
      const slot = slots[i] ?? -1;
      if (isMissing[i] === 1 || !this.#isStaging(slot)) continue;
      const key = this.table.keyIn[slot] ?? -1;
      const region = this.#regionOf(key);
      let place = this.table.emptyOf(region);
      if (place === -1) place = this.#evictFor(key, region, false);
      if (place === -1) continue;
      this.table.swapRegions(slot, place);
      this.#policy.onAdmit?.(key);
    }
  }

  /** The current layer is computed: unpins its slots and empties those of staging. */
  release(): void {
    for (let i = 0; i < this.#pinnedCount; i++) {
      const slot = this.#pinned[i] ?? 0;
      this.#isPinned[slot] = 0;
      if (this.#isStaging(slot)) this.table.take(slot);
    }
    this.#pinnedCount = 0;
  }

  /** See `Scheduler.resize`. */
  resize(slots: readonly number[]): void {
    const { table } = this;
    const { plan } = table;
    const wanted = (layer: number) => slots[layer] ?? 0;
    for (const layer of this.#shape.moeLayers) {
      const region = plan.regionOfLayer[layer] ?? -1;
      const retired = plan.retiredOfLayer[layer] ?? -1;
      while (table.countOf(region) > wanted(layer)) table.move(this.#vacated(region), retired);
    }
    for (const layer of this.#shape.moeLayers) {
      const region = plan.regionOfLayer[layer] ?? -1;
      const retired = plan.retiredOfLayer[layer] ?? -1;
      while (table.countOf(region) < wanted(layer) && table.countOf(retired) > 0) {
        table.move(table.memberOf(retired, 0), region);
      }
    }
  }

  /** An empty slot of a region, emptied as the policy decides if need be. */
  #vacated(region: number): number {
    const empty = this.table.emptyOf(region);
    if (empty !== -1) return empty;
    const count = this.#evictable(region);
    if (count === 0) return this.#reclaim(region);
    const chosen = Math.max(0, this.#policy.victim(-1, this.#candidates, count, false));
    return this.#evict(this.#candidates[chosen] ?? -1);
  }

  /** Evicts for `key` as the policy decides; the empty slot, or -1 when `key` is not to stay. */
  #evictFor(key: ExpertKey, region: number, isPrefetch: boolean): number {
    const count = this.#evictable(region);
    if (count === 0) return isPrefetch ? -1 : this.#reclaim(region);
    const chosen = this.#policy.victim(key, this.#candidates, count, isPrefetch);
    if (chosen === -1) return -1;
    return this.#evict(this.#candidates[chosen] ?? -1);
  }

  #evict(key: ExpertKey): number {
    const slot = this.table.slotOf[key] ?? -1;
    if (this.#isPrefetched[slot] === 1) {
      this.#isPrefetched[slot] = 0;
      this.#counts.prefetchesWasted++;
    }
    this.table.take(slot);
    this.#policy.onEvict?.(key);
    return slot;
  }

  /** Fills `#candidates` with keys of the region that are loaded and not needed now. */
  #evictable(region: number): number {
    const { table } = this;
    const size = table.countOf(region);
    let count = 0;
    for (let i = 0; i < size; i++) {
      const slot = table.memberOf(region, i);
      if (this.#isPinned[slot] === 1) continue;
      const key = table.keyIn[slot] ?? -1;
      if (key === -1 || !this.#lane.isReady(slot)) continue;
      this.#candidates[count++] = key;
    }
    return count;
  }

  /**
   * All that is not needed is on its way: takes a load back or waits for it. -1 if there is none.
   */
  #reclaim(region: number): number {
    const { table } = this;
    for (let i = table.countOf(region) - 1; i >= 0; i--) {
      const slot = table.memberOf(region, i);
      if (this.#isPinned[slot] === 1) continue;
      if (!this.#lane.withdraw(slot)) this.#lane.waitFor(slot);
      return this.#evict(table.keyIn[slot] ?? -1);
    }
    return -1;
  }

  #stagingSlot(layer: number): number {
    const region = this.table.plan.stagingOfLayer[layer] ?? -1;
    const empty = this.table.emptyOf(region);
    if (empty !== -1) return empty;
    // Prefetches may have taken them all, for later layers: those are given up.
    return this.#reclaimStaging(region);
  }

  #reclaimStaging(region: number): number {
    const { table } = this;
    for (let i = 0; i < table.countOf(region); i++) {
      const slot = table.memberOf(region, i);
      if (this.#isPinned[slot] === 1) continue;
      if (!this.#lane.isReady(slot) && !this.#lane.withdraw(slot)) this.#lane.waitFor(slot);
      if (this.#isPrefetched[slot] === 1) {
        this.#isPrefetched[slot] = 0;
        this.#counts.prefetchesWasted++;
      }
      table.take(slot);
      return slot;
    }
    return -1;
  }

  #admit(key: ExpertKey, slot: number): void {
    this.table.put(key, slot);
    this.#policy.onAdmit?.(key);
  }

  #vacate(slot: number): void {
    const key = this.table.keyIn[slot] ?? -1;
    this.table.take(slot);
    if (!this.#isStaging(slot)) this.#policy.onEvict?.(key);
  }

  #emptyStaging(layer: number): number {
    const { table } = this;
    const region = table.plan.stagingOfLayer[layer] ?? -1;
    let empty = 0;
    for (let i = 0; i < table.countOf(region); i++) {
      const slot = table.memberOf(region, i);
      // What was predicted wrongly and was then still under way has arrived for nobody.
      const isLeft = this.#isPinned[slot] === 0 && this.#isPrefetched[slot] === 0;
      if (table.keyIn[slot] !== -1 && isLeft && this.#lane.isReady(slot)) table.take(slot);
      if (table.keyIn[slot] === -1) empty++;
    }
    return empty;
  }

  #isStaging(slot: number): boolean {
    const { plan, regionOf } = this.table;
    // Slots out of use hold nothing, so that what is not a layer's is staging.
    return (regionOf[slot] ?? 0) >= plan.regionCount - 2 * plan.classCount;
  }

  #regionOf(key: ExpertKey): number {
    return this.table.plan.regionOfLayer[Math.floor(key / this.#shape.expertCount)] ?? -1;
  }
}
