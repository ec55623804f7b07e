import { createPrng } from "@fmlab/sim";
import { describe, expect, it } from "vitest";
import { CPU_CHOICES, type CpuChoiceName } from "../../src/offload/cpu-choice-names.ts";
import { MissedOnCpu } from "../../src/offload/cpu-share.ts";
import { MeasuredCosts } from "../../src/offload/miss-costs.ts";
import { createControl } from "../../src/offload/prefetch-control.ts";
import { Scheduler } from "../../src/offload/scheduler.ts";
import { planSlots } from "../../src/offload/slot-table.ts";
import { PREFETCH_CONTROLS } from "../../src/offload/strategy-names.ts";
import type { PolicyName } from "../../src/policies/names.ts";
import { POLICIES } from "../../src/policies/registry.ts";
import { crossLayer } from "../../src/predictors/cross-layer.ts";
import { everythingKnown, randomShape, randomTrace } from "../policies/random-trace.ts";
import { RandomLane } from "./random-lane.ts";

const SEEDS = [1, 2, 3, 4, 5];
/** A key's address, so that the one of another expert is told. */
const addressOf = (key: number) => 64n * BigInt(key + 1);

type Control = (typeof PREFETCH_CONTROLS)[number];

/** A scheduler on made-up routing, whose host memory lacks every `gap`-th expert. */
function open(name: PolicyName, choice: CpuChoiceName, seed: number, control: Control, gap = 0) {
  const prng = createPrng(seed, "cpu-share");
  const shape = randomShape(prng);
  const trace = randomTrace(prng, shape, 40);
  const definition = POLICIES[name];
  let slotCount = seed % 2 === 1 ? shape.moeLayers.length * shape.expertUsedCount : 1;
  let allocation = definition.allocate(shape, slotCount, 3);
  while (typeof allocation === "number") allocation = definition.allocate(shape, ++slotCount, 3);
  const { plan } = planSlots(shape, allocation, () => 0);
  const heldBy = new Int32Array(plan.slotCount).fill(-1);
  const inUse = new Set<number>();
  const held = new Set<number>();
  const lane = new RandomLane(createPrng(seed, "lane"), (key, slot) => {
    if (inUse.has(slot)) throw new Error(`slot ${slot} is written while it is in use`);
    heldBy[slot] = key;
  });
  const places = {
    hold(key: number) {
      if (gap > 0 && key % gap === 0) return 0n;
      held.add(key);
      return addressOf(key);
    },
    release: () => held.clear(),
  };
  const { expertCount, expertUsedCount } = shape;
  const expertBytes = () => 1;
  const costs = new MeasuredCosts(expertUsedCount);
  const parts = { places, costs, choice, lane, expertUsedCount, expertBytes };
  const cpuShare = new MissedOnCpu(parts);
  const context = { ...everythingKnown(prng, shape, trace), allocation };
  const scheduler = new Scheduler({
    shape,
    plan,
    policy: definition.create(context),
    lane,
    predictor: crossLayer.create({ shape }),
    control: createControl({ control, width: 3 }, shape),
    depth: 2,
    cpuShare,
  });
  for (const [i, slot] of scheduler.place([...(definition.initial?.(context) ?? [])]).entries()) {
    const key = [...(definition.initial?.(context) ?? [])][i] ?? 0;
    lane.submit(key, slot, "demand");
    lane.waitFor(slot);
  }
  return { cpuShare, expertCount, held, heldBy, inUse, scheduler, trace };
}

const cells = (["lru", "on-demand", "fate", "moe-infinity"] as const).flatMap((policy) =>
  CPU_CHOICES.map((choice) => [policy, choice] as const),
);

describe.each(cells)("the scheduler with %s and the CPU's choice %s", (policy, choice) => {
  it("has each chosen expert in its slot or on the CPU, and counts it once", () => {
    for (const seed of SEEDS) {
      const control = PREFETCH_CONTROLS[seed % PREFETCH_CONTROLS.length] ?? "off";
      const opened = open(policy, choice, seed, control, seed % 2 === 0 ? 3 : 0);
      const { cpuShare, expertCount, held, heldBy, inUse, scheduler, trace } = opened;
      for (const routing of trace) {
        scheduler.request(routing);
        const onCpu = new Map(
          Array.from({ length: cpuShare.count }, (_, i) => [cpuShare.indices[i], i] as const),
        );
        cpuShare.begin();
        cpuShare.end();
        routing.experts.forEach((expert, i) => {
          const key = routing.layer * expertCount + expert;
          const place = onCpu.get(i);
          scheduler.waitFor(i);
          if (place === undefined) {
            inUse.add(scheduler.slots[i] ?? -1);
            expect(heldBy[scheduler.slots[i] ?? -1]).toBe(key);
          } else {
            expect(scheduler.slots[i]).toBe(-1);
            expect(cpuShare.addresses[place]).toBe(addressOf(key));
            expect(held.has(key)).toBe(true);
          }
        });
        inUse.clear();
        scheduler.release();
        expect(held.size).toBe(0);
      }
      const { cpuComputed, demanded, hits, lateHits, uses } = scheduler.counts;
      expect(hits + lateHits + demanded + cpuComputed).toBe(uses);
      expect(cpuComputed).toBeGreaterThan(0);
      const byLayer = scheduler.layerCounts.cpuComputed.reduce((sum, n) => sum + n, 0);
      expect(byLayer).toBe(cpuComputed);
    }
  });
});

describe("the CPU's choice always", () => {
  it("leaves nothing to be demanded but what host memory lacks", () => {
    for (const seed of SEEDS) {
      for (const gap of [0, 3]) {
        const { expertCount, scheduler, trace } = open("lru", "always", seed, "off", gap);
        let lacking = 0;
        for (const routing of trace) {
          const isThere = [...routing.experts].map((expert) =>
            scheduler.isResident(routing.layer * expertCount + expert),
          );
          routing.experts.forEach((expert, i) => {
            const key = routing.layer * expertCount + expert;
            if (gap > 0 && key % gap === 0 && !isThere[i]) lacking++;
          });
          scheduler.request(routing);
          routing.experts.forEach((_, i) => {
            scheduler.waitFor(i);
          });
          scheduler.release();
        }
        expect(scheduler.counts.demanded).toBe(lacking);
        // With slots for all experts of a token some are left to experts that stay.
        if (seed % 2 === 1) expect(scheduler.counts.upgraded).toBeGreaterThan(0);
      }
    }
  });
});

describe("experts that the CPU has computed", () => {
  it("are queued behind as many prefetches as the link carries from layer to layer", () => {
    let nowMs = 0;
    const lane = { nowMs: () => nowMs, pending: 0, prefetchesPending: 0 };
    const costs = new MeasuredCosts(4);
    const places = { hold: () => 0n, release() {} };
    const parts = { places, costs, choice: "always", lane, expertUsedCount: 4 } as const;
    const share = new MissedOnCpu({ ...parts, expertBytes: () => 1 });
    const admissionsMax = (layerMs: number, missing: number) => {
      for (let layer = 0; layer < 200; layer++) {
        share.enter();
        // Nothing lies in host memory: all that misses is copied, 1 ms each.
        const isMissing = Uint8Array.from({ length: 4 }, (_, i) => (i < missing ? 1 : 0));
        share.take(layer, 0, Int32Array.of(0, 1, 2, 3), isMissing, missing);
        costs.onCopy(1, 1);
        share.release();
        nowMs += layerMs;
      }
      return share.admissionsMax;
    };
    expect(share.admissionsMax).toBe(1);
    expect(admissionsMax(2.5, 0)).toBe(2);
    expect(admissionsMax(3.5, 2)).toBe(1);
    expect(admissionsMax(5.5, 2)).toBe(3);
    expect(admissionsMax(50, 2)).toBe(4);
    expect(admissionsMax(0.5, 1)).toBe(1);
  });
});

describe("the CPU's choice balanced", () => {
  it("takes the experts that weigh least, and copies the others", () => {
    const lane = { nowMs: () => 0, pending: 0, prefetchesPending: 0 };
    const costs = new MeasuredCosts(4);
    costs.onCopy(1, 1);
    for (const count of [1, 2, 3, 4]) costs.onCpu(count, 1, count);
    const places = { hold: addressOf, release() {} };
    const parts = { places, costs, choice: "balanced", lane, expertUsedCount: 4 } as const;
    const share = new MissedOnCpu({ ...parts, expertBytes: () => 1 });
    const experts = Int32Array.of(7, 3, 5, 1);
    expect(share.take(0, 100, experts, Uint8Array.of(1, 1, 1, 1), 4)).toBe(2);
    expect([...share.indices.subarray(0, 2)]).toEqual([3, 2]);
    expect([...share.addresses.subarray(0, 2)]).toEqual([addressOf(101), addressOf(105)]);
    expect([0, 1, 2, 3].map((i) => share.has(i))).toEqual([false, false, true, true]);
    share.release();
    // What is queued already makes the CPU the sooner one for all.
    Object.assign(lane, { pending: 9, prefetchesPending: 1 });
    expect(share.take(0, 100, experts, Uint8Array.of(1, 0, 1, 1), 3)).toBe(3);
    share.release();
    expect(share.count).toBe(0);
  });
});
