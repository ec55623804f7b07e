import { assert } from "@fmlab/experiment";
import type { SlotClass } from "../engine/interfaces.ts";
import type { ExpertKey, RoutingShape } from "../offload/routing.ts";

/** What slots are shared by. */
export interface StreamSlotsParts {
  readonly shape: RoutingShape;
  /** There are twins: keys and classes for as many layers again, after the last (`withTwins`). */
  readonly hasTwins?: boolean | undefined;
  readonly classes: readonly SlotClass[];
  /** Index of the class of a layer's experts. */
  readonly classOfLayer: (layer: number) => number;
}

/** What a load may take the slot of. */
interface Takes {
  readonly mayTakeParts: boolean;
  readonly mayTakeUnused: boolean;
  readonly isReady: (slot: number) => boolean;
}

/**
 * Which expert lies in which slot while experts stream through, what each is needed for, and which
 * has to leave for another. Moves nothing; `SlotStream` does.
 */
export class StreamSlots {
  /** By slot: its expert, or -1. */
  readonly keyIn: Int32Array;
  /** Fresh experts, and those of them that the current layer needs. */
  freshCount = 0;
  freshNeeded = 0;
  readonly #parts: StreamSlotsParts;
  /** By expert: its slot, or -1. */
  readonly #slotOf: Int32Array;
  /** By expert: 1 while the current layer has not computed it. */
  readonly #isNeeded: Uint8Array;
  /** By expert: 1 while the current layer will need it again, though not at once. */
  readonly #isNeededLater: Uint8Array;
  /** By expert: 1 from the asking for its load until it was computed, or turns out not needed. */
  readonly #isFresh: Uint8Array;
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

  constructor(parts: StreamSlotsParts) {
    const { classes, shape } = parts;
    const layerCount = shape.layerCount * (parts.hasTwins ? 2 : 1);
    const keyCount = layerCount * shape.expertCount;
    this.#parts = parts;
    this.keyIn = new Int32Array(classes.reduce((sum, one) => sum + one.slotCount, 0)).fill(-1);
    this.#slotOf = new Int32Array(keyCount).fill(-1);
    this.#isNeeded = new Uint8Array(keyCount);
    this.#isNeededLater = new Uint8Array(keyCount);
    this.#isFresh = new Uint8Array(keyCount);
    this.#settledCount = new Int32Array(layerCount);
    this.#uses = new Float64Array(keyCount);
    this.#rankOf = new Int32Array(layerCount).fill(-1);
    this.#rankInClass = new Int32Array(layerCount);
    this.#layersOfClass = new Int32Array(layerCount);
    this.#rankLayers(shape.moeLayers);
    if (parts.hasTwins) this.#rankLayers(shape.moeLayers.map((layer) => shape.layerCount + layer));
  }

  /** The slot of an expert, or -1. */
  slotOf(key: ExpertKey): number {
    return this.#slotOf[key] ?? -1;
  }

  /** True while the current layer has not computed the expert. */
  isNeeded(key: ExpertKey): boolean {
    return this.#isNeeded[key] === 1;
  }

  /** The current layer needs the expert now. */
  need(key: ExpertKey, uses: number): void {
    this.#isNeeded[key] = 1;
    this.#uses[key] = (this.#uses[key] ?? 0) + uses;
    if (this.#isFresh[key] === 1) this.freshNeeded++;
  }

  /** The current layer will need the expert after others that it needs now. */
  needLater(key: ExpertKey): void {
    this.#isNeededLater[key] = 1;
  }

  /** The current layer has computed the expert; `isLast` unless it will need it again. */
  done(key: ExpertKey, isLast: boolean): void {
    this.age(key);
    this.#isNeeded[key] = 0;
    if (isLast) this.#isNeededLater[key] = 0;
  }

  /** The attention of `layer` begins. */
  enterLayer(layer: number): void {
    this.#rank = this.#rankOf[layer] ?? 0;
    this.#isRouted = false;
  }

  /** All routers of the current layer have chosen: what is not needed now is needed last. */
  endRouting(): void {
    const { layerCount, moeLayers } = this.#parts.shape;
    const layer = moeLayers[this.#rank] ?? 0;
    this.#isRouted = true;
    this.#ageOthers(layer);
    if (this.#parts.hasTwins) this.#ageOthers(layerCount + layer);
  }

  /** Experts of a layer that nobody needs. */
  #ageOthers(layer: number): void {
    const { expertCount } = this.#parts.shape;
    const first = layer * expertCount;
    for (let key = first; key < first + expertCount; key++) {
      if (this.#isNeeded[key] === 0 && this.#isNeededLater[key] === 0) this.age(key);
    }
  }

  /** No layer needs anything any more. */
  abandon(): void {
    for (const key of this.keyIn) if (key !== -1) this.age(key);
    this.#isNeeded.fill(0);
    this.#isNeededLater.fill(0);
    this.freshNeeded = 0;
  }

  /** The expert's load into the slot is asked for; what lay there has left. */
  put(key: ExpertKey, slot: number): void {
    this.leave(slot);
    this.#isFresh[key] = 1;
    this.freshCount++;
    if (this.#isNeeded[key] === 1) this.freshNeeded++;
    this.keyIn[slot] = key;
    this.#slotOf[key] = slot;
  }

  /** What lies in a slot gives it up. */
  leave(slot: number): void {
    const key = this.keyIn[slot] ?? -1;
    if (key === -1) return;
    this.age(key);
    this.#countSettled(key, -1);
    this.#slotOf[key] = -1;
    this.keyIn[slot] = -1;
  }

  /** The expert no longer waits to be computed. */
  age(key: ExpertKey): void {
    if (this.#isFresh[key] === 0) return;
    this.#isFresh[key] = 0;
    this.freshCount--;
    this.#countSettled(key, 1);
    if (this.#isNeeded[key] === 1) this.freshNeeded--;
  }

  /**
   * A slot of the expert's class that is empty or holds what is needed after more than `distance`
   * layers; -1 when there is none. What layers have beyond their part goes first, then what is
   * needed latest, then what is used least.
   *
   * @param kept     slots of the class that are shared out to its layers in equal parts
   * @param options  `mayTakeParts`: also what layers have within their parts; `mayTakeUnused`: also
   *                 what this pass still needs; `isReady`: false for slots with a load on its way,
   *                 which stay
   */
  choose(key: ExpertKey, distance: number, kept: number, options: Takes): number {
    const { firstSlot, slotCount } = this.classOf(key);
    let best = -1;
    let bestSpare = false;
    let farthest = distance;
    let fewestUses = Number.POSITIVE_INFINITY;
    for (let slot = firstSlot; slot < firstSlot + slotCount; slot++) {
      const held = this.keyIn[slot] ?? -1;
      if (held === -1) return slot;
      const own = this.distance(held);
      if (own <= distance) continue;
      if (!options.mayTakeUnused && this.#isUpcoming(held)) continue;
      const isSpare = own >= 1 && this.#isFresh[held] === 0 && this.#isBeyondPart(held, kept);
      if (!isSpare && (bestSpare || !options.mayTakeParts)) continue;
      const uses = this.#uses[held] ?? 0;
      const isBetter =
        isSpare !== bestSpare || own > farthest || (own === farthest && uses < fewestUses);
      if (!isBetter || !options.isReady(slot)) continue;
      best = slot;
      bestSpare = isSpare;
      farthest = own;
      fewestUses = uses;
    }
    return best;
  }

  /**
   * A slot for an expert that must come first though all slots are taken: one that nobody needs
   * now, else that of the needed expert with the highest number.
   */
  chooseForced(key: ExpertKey): number {
    const { firstSlot, slotCount } = this.classOf(key);
    let taken = firstSlot;
    for (let slot = firstSlot; slot < firstSlot + slotCount; slot++) {
      const held = this.keyIn[slot] ?? -1;
      const best = this.keyIn[taken] ?? -1;
      const isNeeded = this.isNeeded(held);
      const isBetter = isNeeded === this.isNeeded(best) ? held > best : !isNeeded;
      if (isBetter) taken = slot;
    }
    return taken;
  }

  /** Layers until the expert is needed: 0 for one the current layer still needs. */
  distance(key: ExpertKey): number {
    const { expertCount, moeLayers } = this.#parts.shape;
    if (this.#isNeeded[key] === 1) return 0;
    // Later in the same layer, or perhaps: before every other layer, but not now.
    if (this.#isNeededLater[key] === 1) return 0.5;
    const rank = this.#rankOf[Math.floor(key / expertCount)] ?? 0;
    const ahead = (rank - this.#rank + moeLayers.length) % moeLayers.length;
    if (ahead > 0) return ahead;
    return this.#isRouted ? moeLayers.length : 0.25;
  }

  /** The class of an expert's slots. */
  classOf(key: ExpertKey): SlotClass {
    const layer = Math.floor(key / this.#parts.shape.expertCount);
    const found = this.#parts.classes[this.#parts.classOfLayer(layer)];
    assert(found !== undefined, "every layer with experts has a class");
    return found;
  }

  #rankLayers(layers: readonly number[]): void {
    const { classOfLayer } = this.#parts;
    layers.forEach((layer, rank) => {
      const same = layers.filter((other) => classOfLayer(other) === classOfLayer(layer));
      this.#rankOf[layer] = rank;
      this.#rankInClass[layer] = same.indexOf(layer);
      this.#layersOfClass[layer] = same.length;
    });
  }

  /** A layer that this pass has not come to may need the expert. */
  #isUpcoming(key: ExpertKey): boolean {
    const layer = Math.floor(key / this.#parts.shape.expertCount);
    return (this.#rankOf[layer] ?? 0) > this.#rank;
  }

  /** The expert's layer has more than its part; the first layers get what is left over. */
  #isBeyondPart(key: ExpertKey, kept: number): boolean {
    const layer = Math.floor(key / this.#parts.shape.expertCount);
    const count = this.#layersOfClass[layer] ?? 1;
    const more = (this.#rankInClass[layer] ?? 0) < kept % count ? 1 : 0;
    return (this.#settledCount[layer] ?? 0) > Math.floor(kept / count) + more;
  }

  #countSettled(key: ExpertKey, change: number): void {
    const layer = Math.floor(key / this.#parts.shape.expertCount);
    this.#settledCount[layer] = (this.#settledCount[layer] ?? 0) + change;
  }
}
