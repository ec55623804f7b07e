import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createPrng, type Prng } from "@fmlab/sim";
import { afterAll, describe, expect, it } from "vitest";
import type { FinishedLoad, Urgency } from "../../src/offload/lane.ts";
import { TransferLane } from "../../src/tiers/transfer-lane.ts";
import { TestSlots, writeSynthetic } from "./synthetic.ts";

const folder = mkdtempSync(join(tmpdir(), "fmlab-lane-"));
afterAll(() => rmSync(folder, { recursive: true }));
const SHAPE = {
  moeLayers: [0, 1, 3],
  expertCount: 8,
  partBytes: [3000, 3000, 4097] as [number, number, number],
};
const model = writeSynthetic(SHAPE, [join(folder, "a"), join(folder, "b")]);
const SLOTS = 12;

/** A load as the naive model knows it. */
interface Load {
  key: number;
  slot: number;
  urgency: Urgency;
  isPromoted: boolean;
}

/**
 * Drives a lane by chance and keeps a model of it that knows nothing of threads: who may be ready,
 * what a slot must hold, and which loads have to end, each once.
 */
class Driver {
  readonly #lane: TransferLane;
  readonly #slots: TestSlots;
  readonly #random: Prng;
  /** Submitted, not withdrawn and not yet seen to be ready, by slot. */
  readonly #open = new Map<number, Load>();
  /** What lies in a slot: an expert, or a mark when it was withdrawn or never loaded. */
  readonly #content = new Map<number, number | "mark">();
  /** Submitted and not withdrawn, in order; leave when they are drained. */
  #expected: Load[] = [];
  #drained: FinishedLoad[] = [];

  constructor(lane: TransferLane, slots: TestSlots, random: Prng) {
    this.#lane = lane;
    this.#slots = slots;
    this.#random = random;
    for (let slot = 0; slot < SLOTS; slot++) this.#mark(slot);
  }

  step(): void {
    const slot = this.#random.nextInt(SLOTS);
    const load = this.#open.get(slot);
    const chance = this.#random.nextFloat();
    if (load === undefined) this.#submit(slot);
    else if (chance < 0.3) this.#wait(load);
    else if (chance < 0.5) this.#promote(load);
    else if (chance < 0.75) this.#withdraw(load);
    else if (this.#lane.isReady(slot)) this.#isReady(load);
    if (this.#random.chance(0.1)) this.drain();
    if (this.#lane.pending > this.#open.size) throw new Error("more loads pending than were asked");
  }

  /** Waits for everything; then all must be as the model says. */
  settle(): FinishedLoad[] {
    for (const load of [...this.#open.values()]) this.#wait(load);
    this.drain();
    expect(this.#expected).toEqual([]);
    expect([this.#lane.pending, this.#lane.prefetchesPending]).toEqual([0, 0]);
    for (let slot = 0; slot < SLOTS; slot++) this.#check(slot);
    return this.#drained;
  }

  drain(): void {
    this.#lane.drain((load) => {
      const index = this.#expected.findIndex(
        ({ key, slot }) => key === load.key && slot === load.slot,
      );
      const [found] = this.#expected.splice(index, 1);
      if (index < 0 || found === undefined) throw new Error(`nobody asked for ${load.key}`);
      // A promotion may have come too late, never an urgency by itself.
      if (!found.isPromoted) expect(load.urgency).toBe(found.urgency);
      expect(load.bytes).toBe(model.expertBytes);
      expect(load.submittedMs).toBeLessThanOrEqual(load.startMs);
      expect(load.startMs).toBeLessThanOrEqual(load.endMs);
      this.#drained.push(load);
    });
  }

  #submit(slot: number): void {
    const urgency = this.#random.chance(0.5) ? "demand" : "prefetch";
    const load = { key: this.#random.pick(model.keys), slot, urgency, isPromoted: false } as const;
    this.#open.set(slot, { ...load });
    this.#expected.push(this.#open.get(slot) ?? load);
    this.#lane.submit(load.key, slot, urgency);
  }

  #wait(load: Load): void {
    this.#lane.waitFor(load.slot);
    if (!this.#lane.isReady(load.slot)) throw new Error("waited for, but not ready");
    this.#isReady(load);
  }

  #isReady({ key, slot }: Load): void {
    this.#open.delete(slot);
    this.#content.set(slot, key);
    this.#check(slot);
  }

  #promote(load: Load): void {
    load.isPromoted ||= load.urgency === "prefetch";
    this.#lane.promote(load.slot);
  }

  #withdraw(load: Load): void {
    if (!this.#lane.withdraw(load.slot)) return;
    if (this.#lane.isReady(load.slot)) throw new Error("withdrawn, but ready");
    this.#open.delete(load.slot);
    this.#expected.splice(this.#expected.indexOf(load), 1);
    this.#mark(load.slot);
  }

  // Whatever is written to a slot that nobody waits for spoils the mark.
  #mark(slot: number): void {
    this.#content.set(slot, "mark");
    for (const part of ["gate", "up", "down"] as const) this.#slots.view(slot, part).fill(99);
  }

  #check(slot: number): void {
    const content = this.#content.get(slot);
    if (this.#open.has(slot) || content === undefined) return;
    const isRight =
      content === "mark"
        ? (["gate", "up", "down"] as const).every((part) =>
            this.#slots.view(slot, part).every((byte) => byte === 99),
          )
        : this.#slots.holds(slot, model, content);
    if (!isRight) throw new Error(`slot ${slot} does not hold ${content}`);
  }
}

const HOST_BYTES = 9 * Math.ceil(model.expertBytes / 64) * 64;

describe("a lane under a random load", () => {
  it.each([
    { name: "one reader, from disk", readers: 1 },
    { name: "four readers, from disk", readers: 4 },
    {
      name: "four readers, a slow link and a host tier of nine experts",
      readers: 4,
      fast: { bandwidthMBps: 200, latencyUs: 20, queueDepth: 2 },
      host: { budgetBytes: HOST_BYTES, mode: "lru" as const, preload: false },
    },
  ])("moves the right bytes and nothing else: $name", ({ name, ...options }) => {
    const slots = new TestSlots(SLOTS, SHAPE.partBytes);
    const lane = new TransferLane({ layout: model.layout, slots: slots.regions, ...options });
    let loads = 0;
    for (let seed = 0; seed < 4; seed++) {
      const driver = new Driver(lane, slots, createPrng(seed, name));
      for (let step = 0; step < 400; step++) driver.step();
      const finished = driver.settle();
      loads += finished.length;
      // Ends never fall, whoever moved the bytes.
      finished.reduce((before, { endMs }) => {
        if (endMs < before) throw new Error(`an end at ${endMs} after one at ${before}`);
        return endMs;
      }, 0);
    }
    const { deliveredBytes, diskBytes, hostHits, hostMisses } = lane.counts();
    expect(deliveredBytes).toBe(loads * model.expertBytes);
    if (options.host === undefined) expect(diskBytes).toBe(deliveredBytes);
    else {
      expect(hostHits + hostMisses).toBe(loads);
      expect(hostHits).toBeGreaterThan(0);
      expect(diskBytes).toBe(hostMisses * model.expertBytes);
    }
    lane.close();
    lane.close();
  });
});

describe("the order of loads", () => {
  it("puts demands before prefetches, each in the order asked for, whatever was begun", () => {
    const slots = new TestSlots(SLOTS, SHAPE.partBytes);
    // So slow that all is asked for while the first load is under way.
    const fast = { bandwidthMBps: 0, latencyUs: 30_000, queueDepth: 1 };
    const lane = new TransferLane({ layout: model.layout, slots: slots.regions, fast });
    for (let isTooLate = true; isTooLate; ) {
      lane.submit(1, 0, "prefetch");
      // It has begun when it can no longer be taken back.
      while (lane.withdraw(0)) lane.submit(1, 0, "prefetch");
      lane.submit(2, 1, "prefetch");
      lane.submit(3, 2, "prefetch");
      lane.submit(4, 3, "demand");
      lane.submit(5, 4, "prefetch");
      expect(lane.withdraw(4)).toBe(true);
      lane.submit(6, 5, "prefetch");
      lane.promote(5);
      lane.promote(0);
      lane.submit(7, 4, "prefetch");
      lane.submit(8, 6, "demand");
      const askedMs = lane.nowMs();
      for (const slot of [0, 1, 2, 3, 4, 5, 6]) lane.waitFor(slot);
      const order: string[] = [];
      lane.drain(({ key, urgency, endMs }) => {
        if (order.length === 0) isTooLate = endMs < askedMs;
        order.push(`${urgency} ${key}`);
      });
      if (isTooLate) continue;
      expect(order).toEqual([
        ...["prefetch 1", "demand 4", "demand 6", "demand 8"],
        ...["prefetch 2", "prefetch 3", "prefetch 7"],
      ]);
      expect(slots.holds(4, model, 7)).toBe(true);
    }
    lane.close();
  });

  it("counts a slot that the caller filled as ready, until its next load", () => {
    const slots = new TestSlots(2, SHAPE.partBytes);
    const lane = new TransferLane({ layout: model.layout, slots: slots.regions });
    lane.adopt(0);
    expect([lane.isReady(0), lane.isReady(1), lane.pending]).toEqual([true, false, 0]);
    lane.waitFor(0);
    lane.drain(() => expect.unreachable("nothing was loaded"));
    lane.submit(3, 0, "demand");
    lane.waitFor(0);
    expect(slots.holds(0, model, 3)).toBe(true);
    lane.adopt(0);
    expect([lane.isReady(0), lane.pending]).toEqual([true, 0]);
    lane.close();
  });

  it("refuses what no scheduler should ask", () => {
    const slots = new TestSlots(2, SHAPE.partBytes);
    const other = new TestSlots(1, [10, 10, 10]);
    const regions = [...slots.regions, ...other.regions];
    const fast = { bandwidthMBps: 0, latencyUs: 1e6, queueDepth: 1 };
    const lane = new TransferLane({ layout: model.layout, slots: regions, fast });
    lane.submit(1, 0, "demand");
    expect(() => lane.submit(2, 0, "demand")).toThrow(/slot 0 waits for a load already/);
    expect(() => lane.adopt(0)).toThrow(/slot 0 waits for a load/);
    expect(() => lane.waitFor(1)).toThrow(/nothing was submitted for slot 1/);
    expect(() => lane.submit(1, 2, "demand")).toThrow(/slot 2 holds 10/);
    // Layer 2 has no experts.
    expect(() => lane.submit(17, 1, "demand")).toThrow(/expert 17 has 0 bytes/);
    lane.close();
    expect(() => lane.submit(1, 1, "demand")).toThrow(/slot 1/);
  });
});
