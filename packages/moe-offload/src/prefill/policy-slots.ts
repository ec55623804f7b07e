import { assert } from "@fmlab/experiment";
import type { ExpertKey, RoutingShape } from "../offload/routing.ts";
import type { Allocation, ExpertPolicy } from "../policies/policy.ts";

/** What slots are shared out by. */
export interface PolicySlotsParts {
  readonly shape: RoutingShape;
  readonly policy: ExpertPolicy;
  readonly allocation: Allocation;
}

/** An expert and where it lies. */
export interface Placed {
  readonly key: ExpertKey;
  readonly slot: number;
}

/** Of staging: kept free of what is only expected, so that demands need not push it out. Chosen. */
const RESERVED_SHARE = 1 / 8;

/**
 * Which expert lies in which slot, kept by its layer's region (or by the one that all share) or in
 * staging, as a cache policy decides. Moves nothing; `PolicyStream` does. Regions are counts:
 * any slot may be of any region.
 */
export class PolicySlots {
  readonly #shape: RoutingShape;
  readonly #policy: ExpertPolicy;
  readonly #allocation: Allocation;
  readonly #keyIn: Int32Array;
  readonly #slotOf: Int32Array;
  readonly #isNeeded: Uint8Array;
  /** By expert: 1 while a region keeps it; what has a slot and is not kept is staged. */
  readonly #isKept: Uint8Array;
  /** By region. */
  readonly #kept: Int32Array;
  readonly #candidates: Int32Array;
  #staged = 0;
  #layer = -1;

  constructor({ allocation, policy, shape }: PolicySlotsParts) {
    const keys = shape.layerCount * shape.expertCount;
    const slotCount = allocation.slots.reduce((sum, count) => sum + count, allocation.staging);
    this.#shape = shape;
    this.#policy = policy;
    this.#allocation = allocation;
    this.#keyIn = new Int32Array(slotCount).fill(-1);
    this.#slotOf = new Int32Array(keys).fill(-1);
    this.#isNeeded = new Uint8Array(keys);
    this.#isKept = new Uint8Array(keys);
    this.#kept = new Int32Array(allocation.slots.length);
    this.#candidates = new Int32Array(slotCount);
  }

  slotOf(key: ExpertKey): number {
    return this.#slotOf[key] ?? -1;
  }

  keyIn(slot: number): ExpertKey {
    return this.#keyIn[slot] ?? -1;
  }

  isNeeded(key: ExpertKey): boolean {
    return this.#isNeeded[key] === 1;
  }

  enterLayer(layer: number): void {
    this.#layer = layer;
  }

  need(key: ExpertKey): void {
    this.#isNeeded[key] = 1;
  }

  /** Nobody needs anything any more. */
  abandon(): void {
    this.#isNeeded.fill(0);
  }

  all(): Placed[] {
    const placed: Placed[] = [];
    this.#keyIn.forEach((key, slot) => {
      if (key !== -1) placed.push({ key, slot });
    });
    return placed;
  }

  /** Staged experts of the current layer that it does not need. */
  wasted(): Placed[] {
    return this.all().filter(
      ({ key }) =>
        this.#isKept[key] === 0 && !this.isNeeded(key) && this.#layerOf(key) === this.#layer,
    );
  }

  /**
   * A slot for an expert, which then lies there: kept if its region has room or the policy makes
   * some, else staged if staging has room; -1 where there is none now.
   */
  place(key: ExpertKey, isPrefetch: boolean, isReady: (slot: number) => boolean): number {
    const { staging } = this.#allocation;
    const reserved = isPrefetch ? Math.floor(staging * RESERVED_SHARE) : 0;
    if (isPrefetch && this.#staged < staging - reserved) return this.#stage(key);
    if (this.#makeRoom(key, isPrefetch, isReady)) return this.#keep(key, this.#emptySlot());
    return !isPrefetch && this.#staged < staging ? this.#stage(key) : -1;
  }

  /** An expert was computed: what was staged stays if the policy says so, else it leaves. */
  done(key: ExpertKey, isReady: (slot: number) => boolean): void {
    this.#isNeeded[key] = 0;
    if (this.slotOf(key) === -1 || this.#isKept[key] === 1) return;
    if (this.#makeRoom(key, false, isReady)) {
      this.#staged--;
      this.#keep(key, this.slotOf(key));
    } else this.remove(key);
  }

  /** Empties the slot of an expert. */
  remove(key: ExpertKey): void {
    const slot = this.slotOf(key);
    if (slot === -1) return;
    this.#keyIn[slot] = -1;
    this.#slotOf[key] = -1;
    if (this.#isKept[key] === 1) {
      const region = this.#regionOf(key);
      this.#isKept[key] = 0;
      this.#kept[region] = (this.#kept[region] ?? 0) - 1;
      this.#policy.onEvict?.(key);
    } else this.#staged--;
  }

  /** What gives way when every slot is taken: what is not needed, staged before kept. */
  leastUrgent(): Placed {
    const free = this.all().filter(({ key }) => !this.isNeeded(key));
    const found = free.findLast(({ key }) => this.#isKept[key] === 0) ?? free.at(-1);
    assert(found !== undefined, "a slot is taken by what is not needed, or waited for before");
    return found;
  }

  /** True when the expert's region has room, perhaps since the policy let another one go. */
  #makeRoom(key: ExpertKey, isPrefetch: boolean, isReady: (slot: number) => boolean): boolean {
    const region = this.#regionOf(key);
    if ((this.#kept[region] ?? 0) < (this.#allocation.slots[region] ?? 0)) return true;
    const count = this.#evictable(region, isReady);
    if (count === 0) return false;
    const chosen = this.#policy.victim(key, this.#candidates, count, isPrefetch);
    if (chosen === -1) return false;
    this.remove(this.#candidates[chosen] ?? -1);
    return true;
  }

  /** Fills the candidates with what the region keeps, is loaded and not needed now. */
  #evictable(region: number, isReady: (slot: number) => boolean): number {
    let count = 0;
    this.#keyIn.forEach((key, slot) => {
      if (key === -1 || this.#isKept[key] === 0 || this.#regionOf(key) !== region) return;
      if (!this.isNeeded(key) && isReady(slot)) this.#candidates[count++] = key;
    });
    return count;
  }

  #keep(key: ExpertKey, slot: number): number {
    const region = this.#regionOf(key);
    this.#keyIn[slot] = key;
    this.#slotOf[key] = slot;
    this.#isKept[key] = 1;
    this.#kept[region] = (this.#kept[region] ?? 0) + 1;
    this.#policy.onAdmit?.(key);
    return slot;
  }

  /** Puts an expert into staging, which has room. */
  #stage(key: ExpertKey): number {
    const slot = this.#emptySlot();
    this.#keyIn[slot] = key;
    this.#slotOf[key] = slot;
    this.#staged++;
    return slot;
  }

  #emptySlot(): number {
    const slot = this.#keyIn.indexOf(-1);
    assert(slot !== -1, "regions and staging share out all slots");
    return slot;
  }

  #regionOf(key: ExpertKey): number {
    return this.#allocation.isShared ? 0 : this.#layerOf(key);
  }

  #layerOf(key: ExpertKey): number {
    return Math.floor(key / this.#shape.expertCount);
  }
}
