import { createPrng } from "@fmlab/sim";
import { describe, expect, it } from "vitest";
import type { Lane } from "../../src/offload/lane.ts";
import type { PolicyName } from "../../src/policies/names.ts";
import { POLICIES } from "../../src/policies/registry.ts";
import type { ExpertStream } from "../../src/prefill/expert-stream.ts";
import { LayerPass } from "../../src/prefill/layer-pass.ts";
import { PolicyStream } from "../../src/prefill/policy-stream.ts";
import { SlotStream } from "../../src/prefill/slot-stream.ts";
import { StreamWindow } from "../../src/prefill/stream-window.ts";
import { type ExpertWork, WaveLoop } from "../../src/prefill/wave-loop.ts";
import { CorrelationTable } from "../../src/throughput/correlation-table.ts";
import { GroupPass } from "../../src/throughput/group-pass.ts";
import { SCHEDULES, type ScheduleName } from "../../src/throughput/schedules.ts";
import { RandomLane } from "../offload/random-lane.ts";

const LAYERS = 4;
const EXPERTS = 16;
const USED = 3;
const TOKENS = 12;
const PASSES = 6;
const moeLayers = Array.from({ length: LAYERS }, (_, layer) => layer);
const shape = { layerCount: LAYERS, expertCount: EXPERTS, expertUsedCount: USED, moeLayers };

/**
 * A card in a model: waves read their slots until they are waited for. What lies in a slot is its
 * expert's key; a load into a slot that a wave still reads is an error.
 */
class Card {
  readonly counts = { rows: 0, mostUnderWay: 0, underWay: 0, lingering: 0 };
  readonly lane: Lane;
  readonly random;
  readonly #contents: Int32Array;
  readonly #readBy: Int32Array;

  constructor(slotCount: number, seed: number) {
    this.random = createPrng(seed, "card");
    this.#contents = new Int32Array(slotCount).fill(-1);
    this.#readBy = new Int32Array(slotCount);
    this.lane = new RandomLane(createPrng(seed, "lane"), (key, slot) => {
      if (this.#readBy[slot] !== 0) throw new Error(`slot ${slot} was written while it was read`);
      this.#contents[slot] = key;
    });
  }

  waves(stream: ExpertStream): WaveLoop {
    const { counts } = this;
    return new WaveLoop(stream, EXPERTS, (layer, ready) => {
      const slots = ready.map(({ expert }) => stream.slotOf(layer * EXPERTS + expert));
      this.#read(slots, 1);
      counts.underWay++;
      counts.mostUnderWay = Math.max(counts.mostUnderWay, counts.underWay);
      return () => {
        counts.underWay--;
        this.#read(slots, -1);
        for (const [i, one] of ready.entries()) this.#check(layer, one, slots[i] ?? -1);
      };
    });
  }

  /** Passes over random routing; waves of the layer before end when the next one is begun. */
  run(pass: Pick<GroupPass, "run">, waves: WaveLoop): void {
    const { counts } = this;
    const compute = (index: number) => {
      counts.lingering = Math.max(counts.lingering, counts.underWay);
      waves.settle();
      if (index === LAYERS) return undefined;
      const draw = (row: number) => ((row % USED) * 5 + this.random.nextInt(5)) % EXPERTS;
      return Int32Array.from({ length: TOKENS * USED }, (_, row) => draw(row));
    };
    for (let i = 0; i < PASSES; i++) {
      pass.run([{ batch: 0, firstToken: 0, tokensAt: () => TOKENS, compute }]);
    }
  }

  #read(slots: readonly number[], change: number): void {
    for (const slot of slots) this.#readBy[slot] = (this.#readBy[slot] ?? 0) + change;
  }

  #check(layer: number, { expert, rows }: ExpertWork, slot: number): void {
    if (this.#contents[slot] !== layer * EXPERTS + expert) throw new Error("another's bytes");
    this.counts.rows += rows.length;
  }
}

function runSchedule(schedule: ScheduleName, slotCount: number, seed: number) {
  const card = new Card(slotCount, seed);
  const stream = new SlotStream({
    shape,
    lane: card.lane,
    classes: [{ firstSlot: 0, slotCount, index: 0, expertBytes: 1, parts: [] }],
    classOfLayer: () => 0,
    window: new StreamWindow(EXPERTS),
  });
  const waves = card.waves(stream);
  const pass = new GroupPass({
    shape,
    schedule: SCHEDULES[schedule],
    stream,
    waves,
    table: new CorrelationTable(shape),
    hotCount: USED,
    slotsOf: () => slotCount,
    nowMs: () => card.lane.nowMs(),
  });
  card.run(pass, waves);
  return card.counts;
}

/** A published cache; what it expects of the next layer is half right. */
function runPolicy(name: PolicyName, slotCount: number, width: number, seed: number) {
  const allocation = POLICIES[name].allocate(shape, slotCount, width);
  if (typeof allocation === "number") return undefined;
  const card = new Card(slotCount, seed);
  const { lane, random } = card;
  const policy = POLICIES[name].create({ shape, allocation });
  const stream = new PolicyStream({ shape, lane, policy, allocation, expertBytes: 1 });
  const waves = card.waves(stream);
  const expectAfter = (layer: number) =>
    Array.from({ length: width }, () => ((layer + 1) % LAYERS) * EXPERTS + random.nextInt(EXPERTS));
  const rules = { expectAfter, order: "by-uses" } as const;
  const nowMs = () => lane.nowMs();
  card.run(new LayerPass({ shape, stream, waves, rules, nowMs }), waves);
  const residents = stream.settle();
  expect(new Set(residents.map(({ slot }) => slot)).size).toBe(residents.length);
  expect(residents.length).toBeLessThanOrEqual(slotCount);
  return card.counts;
}

describe("waves that compute while the thread goes on", () => {
  const schedules = Object.keys(SCHEDULES) as ScheduleName[];

  it.each(schedules)("keep their experts until they have ended, in the schedule %s", (schedule) => {
    for (let seed = 0; seed < 5; seed++) {
      for (const slotCount of [1, 2, 5, 17, 64]) {
        const counts = runSchedule(schedule, slotCount, seed);
        expect(counts.rows).toBe(PASSES * LAYERS * TOKENS * USED);
        expect(counts.mostUnderWay).toBeLessThanOrEqual(3);
        expect(counts.underWay).toBe(0);
        if (SCHEDULES[schedule].order !== "by-arrival") expect(counts.lingering).toBe(0);
      }
    }
  });

  it.each(["on-demand", "lru", "arc", "fate", "moe-infinity"] as const)(
    "keep them under the cache policy %s, whatever it expects",
    (name) => {
      let runs = 0;
      for (let seed = 0; seed < 5; seed++) {
        for (const slotCount of [3, 9, 20, 41, 64]) {
          const counts = runPolicy(name, slotCount, name === "on-demand" ? 0 : 6, seed);
          if (!counts) continue;
          runs++;
          expect(counts.rows).toBe(PASSES * LAYERS * TOKENS * USED);
          expect(counts.underWay).toBe(0);
        }
      }
      expect(runs).toBeGreaterThan(12);
    },
  );

  it("are several at a time, also while the next layer's attention is begun", () => {
    const counts = runSchedule("aggressive", 17, 1);
    expect(counts.mostUnderWay).toBeGreaterThan(1);
    expect(counts.lingering).toBeGreaterThan(0);
  });
});
