import { assert } from "@fmlab/experiment";
import type { FinishedLoad, Lane } from "../offload/lane.ts";
import type { ExpertKey, RoutingShape } from "../offload/routing.ts";
import type { Allocation, ExpertPolicy } from "../policies/policy.ts";
import type { ExpertStream } from "./expert-stream.ts";
import { PolicySlots } from "./policy-slots.ts";
import type { OnWait, StreamCounts } from "./slot-stream.ts";

/** What a stream that obeys a cache policy runs over. */
export interface PolicyStreamParts {
  readonly shape: RoutingShape;
  readonly lane: Lane;
  readonly policy: ExpertPolicy;
  /** Its sum, staging included, is the number of slots; all are of one kind. */
  readonly allocation: Allocation;
  readonly expertBytes: number;
}

/**
 * Experts for whole batches as a published cache would keep them: a policy made for single tokens
 * decides who stays, and what is expected waits in staging. Unlike a token, a batch may need more
 * experts of a layer than there are slots: the rest waits until others have been computed.
 */
export class PolicyStream implements ExpertStream {
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
  readonly #policy: ExpertPolicy;
  readonly #expertBytes: number;
  readonly #slots: PolicySlots;
  #demands: ExpertKey[] = [];
  #arriving: number[] = [];
  #expected: readonly ExpertKey[] = [];

  constructor(parts: PolicyStreamParts) {
    this.#lane = parts.lane;
    this.#policy = parts.policy;
    this.#expertBytes = parts.expertBytes;
    this.#slots = new PolicySlots(parts);
  }

  slotOf(key: ExpertKey): number {
    return this.#slots.slotOf(key);
  }

  settle(): { key: ExpertKey; slot: number }[] {
    this.#expected = [];
    const all = this.#slots.all();
    for (const { key, slot } of all) {
      if (!this.#lane.isReady(slot) && this.#lane.withdraw(slot)) this.#takeBack(key);
    }
    const left = this.#slots.all();
    for (const { slot } of left) this.#lane.waitFor(slot);
    this.#drain();
    return left;
  }

  beginPass(): void {}

  enterLayer(layer: number): void {
    this.#slots.enterLayer(layer);
    this.#demands = [];
    this.#arriving = [];
  }

  /** What waits in staging for this layer in vain makes room. */
  endRouting(): void {
    for (const { key, slot } of this.#slots.wasted()) {
      if (this.#lane.isReady(slot)) this.#slots.remove(key);
      else if (this.#lane.withdraw(slot)) this.#takeBack(key);
    }
  }

  abandon(): void {
    this.#expected = [];
    this.#demands = [];
    this.#arriving = [];
    this.#slots.abandon();
  }

  /** What will probably be needed, in order; it waits in staging, or where the policy has room. */
  expect(keys: readonly ExpertKey[]): void {
    this.#expected = keys;
    this.pump();
  }

  need(key: ExpertKey): void {
    if (this.#slots.isNeeded(key)) return;
    const slot = this.slotOf(key);
    this.counts.needed++;
    this.#slots.need(key);
    this.#policy.onUse?.(key, slot !== -1);
    if (slot === -1) {
      this.#demands.push(key);
      return;
    }
    this.counts.found++;
    if (this.#lane.isReady(slot)) return;
    this.#lane.promote(slot);
    this.#arriving.push(slot);
  }

  isReady(key: ExpertKey): boolean {
    const slot = this.slotOf(key);
    return slot !== -1 && this.#lane.isReady(slot);
  }

  /** The current layer has computed the expert; the policy says whether it stays. */
  done(key: ExpertKey): void {
    this.#slots.done(key, this.#isReady);
  }

  pump(): void {
    this.#drain();
    while (this.#demands.length > 0) {
      const key = this.#demands[0] ?? -1;
      const slot = this.#slots.place(key, false, this.#isReady);
      if (slot === -1) return;
      this.#demands.shift();
      this.#demand(key, slot);
    }
    while (this.#expected.length > 0) {
      const [key = -1, ...rest] = this.#expected;
      if (this.slotOf(key) === -1) {
        const slot = this.#slots.place(key, true, this.#isReady);
        if (slot === -1) return;
        this.#lane.submit(key, slot, "prefetch");
        this.counts.prefetched++;
        this.counts.bytes += this.#expertBytes;
      }
      this.#expected = rest;
    }
  }

  waitForNext(): void {
    for (let slot = this.#arriving.shift(); slot !== undefined; slot = this.#arriving.shift()) {
      if (!this.#slots.isNeeded(this.#slots.keyIn(slot))) continue;
      if (!this.#lane.isReady(slot)) this.#wait(slot);
      return;
    }
    const [key] = this.#demands;
    if (key !== undefined) this.#force(key);
  }

  waitForExpert(key: ExpertKey): void {
    if (this.slotOf(key) === -1) this.#force(key);
    const slot = this.slotOf(key);
    if (!this.#lane.isReady(slot)) this.#wait(slot);
  }

  /** Every slot holds what was expected too early: the last of it gives way. */
  #force(key: ExpertKey): void {
    this.#demands = this.#demands.filter((other) => other !== key);
    let slot = this.#slots.place(key, false, this.#isReady);
    if (slot === -1) {
      const taken = this.#slots.leastUrgent();
      if (!this.#lane.isReady(taken.slot)) {
        if (this.#lane.withdraw(taken.slot)) this.#uncount();
        else this.#wait(taken.slot);
      }
      this.#slots.remove(taken.key);
      slot = this.#slots.place(key, false, this.#isReady);
      assert(slot !== -1, "a slot that was given up has room for what is needed");
    }
    this.#demand(key, slot);
  }

  #demand(key: ExpertKey, slot: number): void {
    this.#lane.submit(key, slot, "demand");
    this.#arriving.push(slot);
    this.counts.demanded++;
    this.counts.bytes += this.#expertBytes;
  }

  /** A load has not begun, and nobody wants it any more. */
  #takeBack(key: ExpertKey): void {
    this.#uncount();
    this.#slots.remove(key);
  }

  #uncount(): void {
    this.counts.withdrawn++;
    this.counts.bytes -= this.#expertBytes;
  }

  #wait(slot: number): void {
    const startMs = this.#lane.nowMs();
    this.#lane.waitFor(slot);
    const endMs = this.#lane.nowMs();
    this.counts.waitMs += endMs - startMs;
    this.onWait?.(startMs, endMs, this.#slots.keyIn(slot));
    this.#drain();
  }

  #drain(): void {
    this.#lane.drain((load) => this.onLoad?.(load));
  }

  #isReady = (slot: number): boolean => this.#lane.isReady(slot);
}
