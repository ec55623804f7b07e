import { assert } from "@fmlab/experiment";
import type { FinishedLoad, Lane } from "../offload/lane.ts";
import type { ExpertKey } from "../offload/routing.ts";
import { StreamSlots, type StreamSlotsParts } from "./stream-slots.ts";
import type { StreamWindow } from "./stream-window.ts";

/** What a stream of experts runs over. */
export interface SlotStreamParts extends StreamSlotsParts {
  readonly lane: Lane;
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
  readonly #lane: Lane;
  readonly #window: StreamWindow | undefined;
  readonly #slots: StreamSlots;
  #demands: ExpertKey[] = [];
  #nextDemand = 0;
  /** Slots of demands in the order asked for: the order in which they arrive. */
  #arriving: number[] = [];
  #nextArriving = 0;
  #expected: readonly ExpertKey[] = [];
  #nextExpected = 0;

  constructor(parts: SlotStreamParts) {
    this.#lane = parts.lane;
    this.#window = parts.window;
    this.#slots = new StreamSlots(parts);
  }

  /** The slot of an expert, or -1. It may be on its way. */
  slotOf(key: ExpertKey): number {
    return this.#slots.slotOf(key);
  }

  /**
   * Experts that lie in slots, with the slots, all of them loaded: to hand over to another keeper
   * of the same pool. What was expected is given up.
   */
  settle(): { key: ExpertKey; slot: number }[] {
    const lane = this.#lane;
    this.#expected = [];
    // First all that has not begun, so that nothing new begins while the rest is waited for.
    this.#slots.keyIn.forEach((key, slot) => {
      if (key === -1 || lane.isReady(slot) || !lane.withdraw(slot)) return;
      this.#uncount(key);
      this.#slots.leave(slot);
    });
    const residents: { key: ExpertKey; slot: number }[] = [];
    this.#slots.keyIn.forEach((key, slot) => {
      if (key === -1) return;
      lane.waitFor(slot);
      this.#slots.age(key);
      residents.push({ key, slot });
    });
    this.#drain();
    return residents;
  }

  /** Takes over what another keeper of the same pool has left in its slots, all of it loaded. */
  adopt(residents: Iterable<{ key: ExpertKey; slot: number }>): void {
    this.#slots.keyIn.forEach((_, slot) => {
      this.#slots.leave(slot);
    });
    for (const { key, slot } of residents) {
      this.#slots.put(key, slot);
      this.#slots.age(key);
    }
  }

  /** A pass through all layers begins. */
  beginPass(): void {
    this.#window?.beginPass(this.#lane.nowMs());
  }

  /** The attention of `layer` begins; what the layer before needed is done. */
  enterLayer(layer: number): void {
    assert(this.#nextDemand === this.#demands.length, "a layer ends with its demands");
    this.#window?.endLayer();
    this.#slots.enterLayer(layer);
    this.#forgetDemands();
  }

  /** All routers of the current layer have chosen: what is not needed now is needed last. */
  endRouting(): void {
    this.#slots.endRouting();
  }

  /** A pass has failed: nothing is needed any more, and the next may begin with any layer. */
  abandon(): void {
    this.#expected = [];
    this.#slots.abandon();
    this.#forgetDemands();
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

  /**
   * True when an expert lies in a slot or its transfer is under way. A load that has not begun is
   * taken back: whoever asks has another use for the link.
   */
  keeps(key: ExpertKey): boolean {
    const lane = this.#lane;
    const slot = this.slotOf(key);
    if (slot === -1) return false;
    if (lane.isReady(slot) || !lane.withdraw(slot)) return true;
    this.#uncount(key);
    this.#slots.leave(slot);
    return false;
  }

  /** The current layer needs this expert now. */
  need(key: ExpertKey, uses = 1): void {
    if (this.#slots.isNeeded(key)) return;
    const lane = this.#lane;
    this.#slots.need(key, uses);
    this.counts.needed++;
    const slot = this.slotOf(key);
    if (slot === -1) {
      this.#demands.push(key);
      return;
    }
    this.counts.found++;
    if (lane.isReady(slot)) return;
    lane.promote(slot);
    this.#arriving.push(slot);
  }

  /** The current layer will need this expert after others that it needs now. */
  needLater(key: ExpertKey): void {
    this.#slots.needLater(key);
  }

  /** True when a needed expert can be computed. */
  isReady(key: ExpertKey): boolean {
    const slot = this.slotOf(key);
    return slot !== -1 && this.#lane.isReady(slot);
  }

  /** The current layer is done with the expert; `isLast` unless it was told to come again. */
  done(key: ExpertKey, isLast = true): void {
    this.#slots.done(key, isLast);
    this.#window?.onDone(this.#lane.nowMs());
  }

  /** Queues as many loads as there are slots for. Cheap when there is nothing to do. */
  pump(): void {
    const slots = this.#slots;
    this.#drain();
    while (this.#nextDemand < this.#demands.length) {
      const key = this.#demands[this.#nextDemand] ?? -1;
      let slot = this.#choose(key, 0, slots.freshNeeded === 0);
      if (slot === -1) slot = this.#withdrawLatest(key);
      if (slot === -1) return;
      this.#nextDemand++;
      this.#load(key, slot);
    }
    for (; this.#nextExpected < this.#expected.length; this.#nextExpected++) {
      const key = this.#expected[this.#nextExpected] ?? -1;
      if (this.slotOf(key) !== -1) continue;
      const slot = this.#choose(key, slots.distance(key), false);
      if (slot === -1) return;
      this.#put(key, slot);
      this.#lane.submit(key, slot, "prefetch");
      this.counts.prefetched++;
    }
  }

  /**
   * Waits until the next of the needed experts that are on their way is there. When none is, room
   * is made for the oldest demand, whatever was expected to be needed later.
   */
  waitForNext(): void {
    while (this.#nextArriving < this.#arriving.length) {
      const slot = this.#arriving[this.#nextArriving++] ?? -1;
      // Computed and given up already, unless it has arrived since the caller looked.
      if (!this.#slots.isNeeded(this.#slots.keyIn[slot] ?? -1)) continue;
      if (!this.#lane.isReady(slot)) this.#wait(slot);
      return;
    }
    const key = this.#demands[this.#nextDemand];
    if (key !== undefined) this.#forceDemand(key);
  }

  /** Waits for one needed expert. */
  waitForExpert(key: ExpertKey): void {
    if (this.slotOf(key) === -1) this.#forceDemand(key);
    const slot = this.slotOf(key);
    if (!this.#lane.isReady(slot)) this.#wait(slot);
  }

  #forceDemand(key: ExpertKey): void {
    const at = this.#demands.indexOf(key, this.#nextDemand);
    assert(at !== -1, "what is waited for is needed");
    this.#demands.splice(at, 1);
    this.#demands.splice(this.#nextDemand, 0, key);
    let slot = this.#choose(key, 0, true);
    if (slot === -1) slot = this.#reclaim(key);
    this.#nextDemand++;
    this.#load(key, slot);
  }

  #choose(key: ExpertKey, distance: number, mayTakeParts: boolean): number {
    const { slotCount } = this.#slots.classOf(key);
    const window = this.#window?.slots ?? Number.POSITIVE_INFINITY;
    return this.#slots.choose(key, distance, Math.max(0, slotCount - window), {
      mayTakeParts,
      mayTakeUnused: mayTakeParts || this.#slots.freshCount < window,
      isReady: this.#isReady,
    });
  }

  /**
   * Takes the load back that has not begun and is needed latest, for a demand of its class: what is
   * only expected must not hold up what is needed now. Returns its slot, or -1.
   */
  #withdrawLatest(demand: ExpertKey): number {
    const slots = this.#slots;
    const { firstSlot, slotCount } = slots.classOf(demand);
    const waiting: { slot: number; distance: number }[] = [];
    for (let slot = firstSlot; slot < firstSlot + slotCount; slot++) {
      if (this.#lane.isReady(slot)) continue;
      const distance = slots.distance(slots.keyIn[slot] ?? -1);
      if (distance > 0) waiting.push({ slot, distance });
    }
    waiting.sort((a, b) => b.distance - a.distance);
    const latest = waiting.find(({ slot }) => this.#lane.withdraw(slot));
    if (!latest) return -1;
    this.#uncount(slots.keyIn[latest.slot] ?? -1);
    slots.leave(latest.slot);
    return latest.slot;
  }

  /** Empties a slot whatever it is for; an expert that is needed is asked for again. */
  #reclaim(key: ExpertKey): number {
    const slot = this.#slots.chooseForced(key);
    const held = this.#slots.keyIn[slot] ?? -1;
    if (!this.#lane.isReady(slot)) {
      if (this.#lane.withdraw(slot)) this.#uncount(held);
      else this.#wait(slot);
    }
    if (this.#slots.isNeeded(held)) this.#demands.push(held);
    return slot;
  }

  #load(key: ExpertKey, slot: number): void {
    this.#put(key, slot);
    this.#lane.submit(key, slot, "demand");
    this.#arriving.push(slot);
    this.counts.demanded++;
  }

  #put(key: ExpertKey, slot: number): void {
    this.#slots.put(key, slot);
    this.counts.bytes += this.#slots.classOf(key).expertBytes;
  }

  /** A load was taken back; its bytes were counted when it was queued. */
  #uncount(key: ExpertKey): void {
    this.counts.bytes -= this.#slots.classOf(key).expertBytes;
    this.counts.withdrawn++;
  }

  #forgetDemands(): void {
    this.#demands = [];
    this.#nextDemand = 0;
    this.#arriving = [];
    this.#nextArriving = 0;
  }

  #wait(slot: number): void {
    const lane = this.#lane;
    const startMs = lane.nowMs();
    lane.waitFor(slot);
    const endMs = lane.nowMs();
    this.counts.waitMs += endMs - startMs;
    this.onWait?.(startMs, endMs, this.#slots.keyIn[slot] ?? -1);
    this.#drain();
  }

  #drain(): void {
    this.#lane.drain(this.#take);
  }

  #isReady = (slot: number): boolean => this.#lane.isReady(slot);

  #take = (load: FinishedLoad): void => {
    this.#window?.onTransfer(load.endMs - load.startMs);
    this.onLoad?.(load);
  };
}
