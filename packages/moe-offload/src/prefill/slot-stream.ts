import { assert } from "@fmlab/experiment";
import type { SlotClass } from "../engine/interfaces.ts";
import type { FinishedLoad, Lane } from "../offload/lane.ts";
import type { ExpertKey, RoutingShape } from "../offload/routing.ts";
import type { StreamWindow } from "./stream-window.ts";

/** What a stream of experts runs over. */
export interface SlotStreamParts {
  readonly shape: RoutingShape;
  readonly lane: Lane;
  readonly classes: readonly SlotClass[];
  /** Index of the class of a layer's experts. */
  readonly classOfLayer: (layer: number) => number;
  /** Limits what is loaded ahead; none: as much as slots allow. */
  readonly window?: StreamWindow | undefined;
}

/** How many loads there were, and how long was waited. */
export interface StreamCounts {
  demanded: number;
  prefetched: number;
  /** Of both: taken back before they had begun. */
  withdrawn: number;
  /** Needed experts that lay in a slot, loaded or on their way, when their layer asked. */
  found: number;
  /** Experts that layers needed. */
  needed: number;
  bytes: number;
  waitMs: number;
}

/** What a slot's load is waited for with. */
export type OnWait = (startMs: number, endMs: number, key: ExpertKey) => void;

/**
 * Experts that stream through slots while whole batches go through the layers. Since the order of
 * the layers is known, so is which expert is needed last: a load takes the slot of the expert whose
 * layer comes next at the latest time, and never that of one which is needed before it. Loads that
 * a layer demands go first; then those that are expected, as far ahead as slots allow.
 *
 * With a window most slots are shared out to the layers in equal parts, and only what a layer has
 * beyond its part, and the window, stream. As much stays from pass to pass as Belady's rule would
 * keep but for the window, and each layer misses as many experts as the others: the link is as busy
 * in one as in the next, which it would not be if some layers stayed whole.
 *
 * @see Cao, Felten, Karlin and Li 1995, "A study of integrated prefetching and caching strategies":
 *      Aggressive without a window, near to Conservative with one
 */
export class SlotStream {
  readonly counts: StreamCounts = {
    demanded: 0,
    prefetched: 0,
    withdrawn: 0,
    found: 0,
    needed: 0,
    bytes: 0,
    waitMs: 0,
  };
  /** Told when the computation had to wait. */
  onWait: OnWait | undefined;
  /** Told of every load that has ended. */
  onLoad: ((load: FinishedLoad) => void) | undefined;
  readonly #parts: SlotStreamParts;
  /** By expert: its slot, or -1; by slot: its expert, or -1. */
  readonly #slotOf: Int32Array;
  readonly #keyIn: Int32Array;
  /** By expert: 1 while the current layer has not computed it. */
  readonly #isNeeded: Uint8Array;
  /** By expert: 1 while the current layer will need it again, though not at once. */
  readonly #isNeededLater: Uint8Array;
  /** By expert: 1 from the asking for its load until it was computed, or turns out not needed. */
  readonly #isFresh: Uint8Array;
  /** Fresh experts that the current layer needs. */
  #freshNeeded = 0;
  /** By layer: its experts in slots that are not fresh. */
  readonly #settledCount: Int32Array;
  /** By expert: uses so far, to keep the more popular of two that are needed equally late. */
  readonly #uses: Float64Array;
  /** By layer: its place among the layers with experts. */
  readonly #rankOf: Int32Array;
  /** By layer: its place among the layers of its class, and how many those are. */
  readonly #rankInClass: Int32Array;
  readonly #layersOfClass: Int32Array;
  #rank = 0;
  #isRouted = false;
  #demands: ExpertKey[] = [];
  #nextDemand = 0;
  /** Slots of demands in the order asked for: the order in which they arrive. */
  #arriving: number[] = [];
  #nextArriving = 0;
  #expected: readonly ExpertKey[] = [];
  #nextExpected = 0;

  constructor(parts: SlotStreamParts) {
    const { classes, shape } = parts;
    const slotCount = classes.reduce((sum, one) => sum + one.slotCount, 0);
    const keyCount = shape.layerCount * shape.expertCount;
    this.#parts = parts;
    this.#slotOf = new Int32Array(keyCount).fill(-1);
    this.#keyIn = new Int32Array(slotCount).fill(-1);
    this.#isNeeded = new Uint8Array(keyCount);
    this.#isNeededLater = new Uint8Array(keyCount);
    this.#isFresh = new Uint8Array(keyCount);
    this.#settledCount = new Int32Array(shape.layerCount);
    this.#uses = new Float64Array(keyCount);
    this.#rankOf = new Int32Array(shape.layerCount).fill(-1);
    this.#rankInClass = new Int32Array(shape.layerCount);
    this.#layersOfClass = new Int32Array(shape.layerCount);
    shape.moeLayers.forEach((layer, rank) => {
      const same = shape.moeLayers.filter(
        (other) => parts.classOfLayer(other) === parts.classOfLayer(layer),
      );
      this.#rankOf[layer] = rank;
      this.#rankInClass[layer] = same.indexOf(layer);
      this.#layersOfClass[layer] = same.length;
    });
  }

  /** The slot of an expert, or -1. It may be on its way. */
  slotOf(key: ExpertKey): number {
    return this.#slotOf[key] ?? -1;
  }

  /**
   * Experts that lie in slots, with the slots, all of them loaded: to hand over to another keeper
   * of the same pool. What was expected is given up.
   */
  settle(): { key: ExpertKey; slot: number }[] {
    const { lane } = this.#parts;
    this.#expected = [];
    // First all that has not begun, so that nothing new begins while the rest is waited for.
    this.#keyIn.forEach((key, slot) => {
      if (key === -1 || lane.isReady(slot) || !lane.withdraw(slot)) return;
      this.#uncount(key);
      this.#leave(slot);
    });
    const residents: { key: ExpertKey; slot: number }[] = [];
    this.#keyIn.forEach((key, slot) => {
      if (key === -1) return;
      lane.waitFor(slot);
      this.#age(key);
      residents.push({ key, slot });
    });
    this.#drain();
    return residents;
  }

  /** Takes over what another keeper of the same pool has left in its slots, all of it loaded. */
  adopt(residents: Iterable<{ key: ExpertKey; slot: number }>): void {
    this.#slotOf.fill(-1);
    this.#keyIn.fill(-1);
    this.#isFresh.fill(0);
    this.#settledCount.fill(0);
    for (const { key, slot } of residents) {
      this.#slotOf[key] = slot;
      this.#keyIn[slot] = key;
      this.#countSettled(key, 1);
    }
  }

  /** The attention of `layer` begins; what the layer before needed is done. */
  enterLayer(layer: number): void {
    assert(this.#nextDemand === this.#demands.length, "a layer ends with its demands");
    this.#rank = this.#rankOf[layer] ?? 0;
    this.#isRouted = false;
    this.#parts.window?.endLayer();
    this.#demands = [];
    this.#nextDemand = 0;
    this.#arriving = [];
    this.#nextArriving = 0;
  }

  /** All routers of the current layer have chosen: what is not needed now is needed last. */
  endRouting(): void {
    const { expertCount, moeLayers } = this.#parts.shape;
    this.#isRouted = true;
    const first = (moeLayers[this.#rank] ?? 0) * expertCount;
    for (let key = first; key < first + expertCount; key++) {
      if (this.#isNeeded[key] === 0 && this.#isNeededLater[key] === 0) this.#age(key);
    }
  }

  /**
   * What will probably be needed, in the order in which it will: loaded when nothing is demanded,
   * into slots of what is needed later than that. Replaces what was expected before.
   */
  expect(keys: readonly ExpertKey[]): void {
    this.#expected = keys;
    this.#nextExpected = 0;
    this.pump();
  }

  /** The current layer needs this expert now. */
  need(key: ExpertKey, uses = 1): void {
    if (this.#isNeeded[key] === 1) return;
    const { lane } = this.#parts;
    this.#isNeeded[key] = 1;
    this.#uses[key] = (this.#uses[key] ?? 0) + uses;
    this.counts.needed++;
    const slot = this.slotOf(key);
    if (slot === -1) {
      this.#demands.push(key);
      return;
    }
    this.counts.found++;
    if (this.#isFresh[key] === 1) this.#freshNeeded++;
    if (lane.isReady(slot)) return;
    lane.promote(slot);
    this.#arriving.push(slot);
  }

  /** The current layer will need this expert after others that it needs now. */
  needLater(key: ExpertKey): void {
    this.#isNeededLater[key] = 1;
  }

  /** True when a needed expert can be computed. */
  isReady(key: ExpertKey): boolean {
    const slot = this.slotOf(key);
    return slot !== -1 && this.#parts.lane.isReady(slot);
  }

  /** The current layer is done with the expert; `isLast` unless it was told to come again. */
  done(key: ExpertKey, isLast = true): void {
    this.#age(key);
    this.#parts.window?.onDone(this.#parts.lane.nowMs());
    this.#isNeeded[key] = 0;
    if (isLast) this.#isNeededLater[key] = 0;
  }

  /** Queues as many loads as there are slots for. Cheap when there is nothing to do. */
  pump(): void {
    const { lane } = this.#parts;
    this.#drain();
    while (this.#nextDemand < this.#demands.length) {
      const key = this.#demands[this.#nextDemand] ?? -1;
      const slot = this.#slotFor(key, 0, this.#freshNeeded === 0);
      if (slot === -1) return;
      this.#nextDemand++;
      this.#load(key, slot);
    }
    for (; this.#nextExpected < this.#expected.length; this.#nextExpected++) {
      const key = this.#expected[this.#nextExpected] ?? -1;
      if (this.slotOf(key) !== -1) continue;
      const slot = this.#slotFor(key, this.#distance(key), false);
      if (slot === -1) return;
      this.#put(key, slot);
      lane.submit(key, slot, "prefetch");
      this.counts.prefetched++;
    }
  }

  /**
   * Waits until the next of the needed experts that are on their way is there. When none is, room
   * is made for the oldest demand, whatever was expected to be needed later.
   */
  waitForNext(): void {
    const { lane } = this.#parts;
    while (this.#nextArriving < this.#arriving.length) {
      const slot = this.#arriving[this.#nextArriving++] ?? -1;
      // Computed and given up already, unless it has arrived since the caller looked.
      if (this.#isNeeded[this.#keyIn[slot] ?? -1] !== 1) continue;
      if (!lane.isReady(slot)) this.#wait(slot);
      return;
    }
    const key = this.#demands[this.#nextDemand];
    if (key !== undefined) this.#forceDemand(key);
  }

  /** Waits for one needed expert. */
  waitForExpert(key: ExpertKey): void {
    const slot = this.slotOf(key);
    if (slot === -1) this.#forceDemand(key);
    const placed = this.slotOf(key);
    if (!this.#parts.lane.isReady(placed)) this.#wait(placed);
  }

  #forceDemand(key: ExpertKey): void {
    const at = this.#demands.indexOf(key, this.#nextDemand);
    assert(at !== -1, "what is waited for is needed");
    this.#demands.splice(at, 1);
    this.#demands.splice(this.#nextDemand, 0, key);
    let slot = this.#slotFor(key, 0, true);
    if (slot === -1) slot = this.#reclaim(key);
    this.#nextDemand++;
    this.#load(key, slot);
  }

  #load(key: ExpertKey, slot: number): void {
    this.#put(key, slot);
    this.#parts.lane.submit(key, slot, "demand");
    this.#arriving.push(slot);
    this.counts.demanded++;
  }

  #put(key: ExpertKey, slot: number): void {
    this.#leave(slot);
    this.#isFresh[key] = 1;
    if (this.#isNeeded[key] === 1) this.#freshNeeded++;
    this.#keyIn[slot] = key;
    this.#slotOf[key] = slot;
    this.counts.bytes += this.#classOf(key).expertBytes;
  }

  /** What lies in a slot gives it up. */
  #leave(slot: number): void {
    const key = this.#keyIn[slot] ?? -1;
    if (key === -1) return;
    this.#age(key);
    this.#countSettled(key, -1);
    this.#slotOf[key] = -1;
    this.#keyIn[slot] = -1;
  }

  /**
   * A slot of the expert's class that is empty or holds what is needed after more than `distance`
   * layers; -1 when there is none. Slots with a load on its way stay. What layers have beyond their
   * part goes first, then what is needed latest, then what is used least.
   *
   * @param mayTakeParts  also what layers have within their part
   */
  #slotFor(key: ExpertKey, distance: number, mayTakeParts: boolean): number {
    const { lane, shape } = this.#parts;
    const { firstSlot, slotCount } = this.#classOf(key);
    const kept = this.#keptOf(this.#classOf(key));
    let best = -1;
    let bestSpare = false;
    let farthest = distance;
    let fewestUses = Number.POSITIVE_INFINITY;
    for (let slot = firstSlot; slot < firstSlot + slotCount; slot++) {
      const held = this.#keyIn[slot] ?? -1;
      if (held === -1) return slot;
      if (this.#isNeeded[held] === 1) continue;
      const own = this.#distance(held);
      if (own <= distance) continue;
      const layer = Math.floor(held / shape.expertCount);
      const settled = this.#settledCount[layer] ?? 0;
      const isSettled = this.#isFresh[held] === 0 && own >= 1;
      const isSpare = isSettled && settled > this.#partOf(layer, kept);
      if (!isSpare && (bestSpare || !mayTakeParts)) continue;
      const uses = this.#uses[held] ?? 0;
      const isBetter =
        isSpare !== bestSpare || own > farthest || (own === farthest && uses < fewestUses);
      if (!isBetter || !lane.isReady(slot)) continue;
      best = slot;
      bestSpare = isSpare;
      farthest = own;
      fewestUses = uses;
    }
    return best;
  }

  /** Slots of a class that the window leaves to experts which stay from pass to pass. */
  #keptOf({ slotCount }: SlotClass): number {
    const { window } = this.#parts;
    return window ? Math.max(0, slotCount - window.slots) : 0;
  }

  /** A layer's part of the slots kept for its class; the first layers get what is left over. */
  #partOf(layer: number, kept: number): number {
    const count = this.#layersOfClass[layer] ?? 1;
    return Math.floor(kept / count) + ((this.#rankInClass[layer] ?? 0) < kept % count ? 1 : 0);
  }

  /**
   * A slot for an expert that must come first though all slots are taken: one whose load nobody
   * needs now, else that of the needed expert with the highest number, which is asked for again.
   */
  #reclaim(key: ExpertKey): number {
    const { lane } = this.#parts;
    const { firstSlot, slotCount } = this.#classOf(key);
    let taken = firstSlot;
    for (let slot = firstSlot; slot < firstSlot + slotCount; slot++) {
      const held = this.#keyIn[slot] ?? -1;
      const best = this.#keyIn[taken] ?? -1;
      const isNeeded = this.#isNeeded[held] === 1;
      const isBetter = isNeeded === (this.#isNeeded[best] === 1) ? held > best : !isNeeded;
      if (isBetter) taken = slot;
    }
    const held = this.#keyIn[taken] ?? -1;
    if (!lane.isReady(taken)) {
      if (lane.withdraw(taken)) this.#uncount(held);
      else this.#wait(taken);
    }
    if (this.#isNeeded[held] === 1) this.#demands.push(held);
    return taken;
  }

  /** A load was taken back; its bytes were counted when it was queued. */
  #uncount(key: ExpertKey): void {
    this.counts.bytes -= this.#classOf(key).expertBytes;
    this.counts.withdrawn++;
  }

  #wait(slot: number): void {
    const { lane } = this.#parts;
    const startMs = lane.nowMs();
    lane.waitFor(slot);
    const endMs = lane.nowMs();
    this.counts.waitMs += endMs - startMs;
    this.onWait?.(startMs, endMs, this.#keyIn[slot] ?? -1);
    this.#drain();
  }

  #drain(): void {
    this.#parts.lane.drain(this.#take);
  }

  #take = (load: FinishedLoad): void => {
    this.#parts.window?.onTransfer(load.endMs - load.startMs);
    this.onLoad?.(load);
  };

  /** The expert no longer waits to be computed. */
  #age(key: ExpertKey): void {
    if (this.#isFresh[key] === 0) return;
    this.#isFresh[key] = 0;
    this.#countSettled(key, 1);
    if (this.#isNeeded[key] === 1) this.#freshNeeded--;
  }

  #countSettled(key: ExpertKey, change: number): void {
    const layer = Math.floor(key / this.#parts.shape.expertCount);
    this.#settledCount[layer] = (this.#settledCount[layer] ?? 0) + change;
  }

  /** Layers until the expert is needed: 0 for one the current layer still needs. */
  #distance(key: ExpertKey): number {
    const { moeLayers } = this.#parts.shape;
    if (this.#isNeeded[key] === 1) return 0;
    // Later in the same layer, or perhaps: before every other layer, but not now.
    if (this.#isNeededLater[key] === 1) return 0.5;
    const rank = this.#rankOf[Math.floor(key / this.#parts.shape.expertCount)] ?? 0;
    const ahead = (rank - this.#rank + moeLayers.length) % moeLayers.length;
    if (ahead > 0) return ahead;
    return this.#isRouted ? moeLayers.length : 0.25;
  }

  #classOf(key: ExpertKey): SlotClass {
    const layer = Math.floor(key / this.#parts.shape.expertCount);
    const found = this.#parts.classes[this.#parts.classOfLayer(layer)];
    assert(found !== undefined, "every layer with experts has a class");
    return found;
  }
}
