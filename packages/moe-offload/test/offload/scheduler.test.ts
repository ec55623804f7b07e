import { createPrng } from "@fmlab/sim";
import { describe, expect, it } from "vitest";
import { createControl } from "../../src/offload/prefetch-control.ts";
import type { Routing, RoutingShape } from "../../src/offload/routing.ts";
import { Scheduler } from "../../src/offload/scheduler.ts";
import { planSlots } from "../../src/offload/slot-table.ts";
import { PREFETCH_CONTROLS } from "../../src/offload/strategy-names.ts";
import { POLICY_NAMES, type PolicyName } from "../../src/policies/names.ts";
import type { PolicyContext, PolicyDefinition } from "../../src/policies/policy.ts";
import { POLICIES } from "../../src/policies/registry.ts";
import { crossLayer } from "../../src/predictors/cross-layer.ts";
import { NaiveDriver } from "../policies/naive-driver.ts";
import { everythingKnown, randomShape, randomTrace } from "../policies/random-trace.ts";
import { RandomLane } from "./random-lane.ts";

const SEEDS = [1, 2, 3, 4, 5, 6, 7, 8];
const names = POLICY_NAMES.filter((name) => name !== "all-resident");

interface Setting {
  definition: PolicyDefinition;
  shape: RoutingShape;
  trace: Routing[];
  context: PolicyContext;
  seed: number;
}

/** A policy with a budget it can work with, on a made-up trace. */
function settingOf(name: PolicyName, seed: number, prefetchWidth: number): Setting {
  const prng = createPrng(seed, "scheduler");
  const shape = randomShape(prng);
  const trace = randomTrace(prng, shape, 40);
  const definition = POLICIES[name];
  const all = shape.moeLayers.length * shape.expertCount;
  for (let slots = 1 + prng.nextInt(all); ; slots++) {
    const allocation = definition.allocate(shape, slots, prefetchWidth);
    if (typeof allocation === "number") continue;
    const context = { ...everythingKnown(prng, shape, trace), allocation };
    return { definition, shape, trace, context, seed };
  }
}

/** A scheduler whose lane writes down what lies in each slot. */
function open({ context, definition, seed, shape }: Setting, control = "off" as const) {
  const { plan } = planSlots(shape, context.allocation, () => 0);
  const heldBy = new Int32Array(plan.slotCount).fill(-1);
  const inUse = new Set<number>();
  const lane = new RandomLane(createPrng(seed, "lane"), (key, slot) => {
    if (inUse.has(slot)) throw new Error(`slot ${slot} is written while it is in use`);
    heldBy[slot] = key;
  });
  const scheduler = new Scheduler({
    shape,
    plan,
    policy: definition.create(context),
    lane,
    predictor: crossLayer.create({ shape }),
    control: createControl({ control, width: 3 }, shape),
    depth: 2,
  });
  const keys = [...(definition.initial?.(context) ?? [])];
  scheduler.place(keys).forEach((slot, i) => {
    lane.submit(keys[i] ?? 0, slot, "demand");
    lane.waitFor(slot);
  });
  return { scheduler, heldBy, inUse };
}

describe.each(names)("the scheduler with the policy %s", (name) => {
  it("hits and misses what the protocol's plain reading does", () => {
    for (const seed of SEEDS) {
      const setting = settingOf(name, seed, 0);
      const { scheduler } = open(setting);
      // Candidates reach the policy in another order, which no policy may depend on.
      const naive = new NaiveDriver(setting.definition, setting.context);
      for (const routing of setting.trace) {
        const events = naive.request(routing);
        const before = scheduler.counts.demanded;
        scheduler.request(routing);
        const loads = events.filter(({ kind }) => kind === "load").length;
        expect(scheduler.counts.demanded - before).toBe(loads);
        scheduler.slots.forEach((_, i) => {
          scheduler.waitFor(i);
        });
        scheduler.release();
      }
    }
  });

  it.each(PREFETCH_CONTROLS)(
    "and prefetch control %s gives each expert its own bytes and loses none",
    (control) => {
      for (const seed of SEEDS) {
        const setting = settingOf(name, seed, 3);
        const { heldBy, inUse, scheduler } = open(setting, control as "off");
        for (const routing of setting.trace) {
          scheduler.request(routing);
          const { expertCount } = setting.shape;
          const slots = [...scheduler.slots];
          expect(new Set(slots).size).toBe(slots.length);
          slots.forEach((slot, i) => {
            scheduler.waitFor(i);
            inUse.add(slot);
            expect(heldBy[slot]).toBe(routing.layer * expertCount + (routing.experts[i] ?? 0));
          });
          inUse.clear();
          scheduler.release();
        }
        const { counts } = scheduler;
        expect(counts.hits + counts.lateHits + counts.demanded).toBe(counts.uses);
        const settled =
          counts.prefetchesUsed + counts.prefetchesWasted + counts.prefetchesWithdrawn;
        expect(settled).toBeLessThanOrEqual(counts.prefetched);
        // The others are still on their way or wait for their layer.
        expect(counts.prefetched - settled).toBeLessThanOrEqual(heldBy.length);
      }
    },
  );
});

describe("changing how many slots layers have", () => {
  it("keeps what is needed, evicts as the policy says and never again fills what is gone", () => {
    for (const seed of SEEDS) {
      const shape: RoutingShape = {
        layerCount: 3,
        expertCount: 10,
        expertUsedCount: 2,
        moeLayers: [0, 1, 2],
      };
      const prng = createPrng(seed, "resize");
      const trace = randomTrace(prng, shape, 60);
      const definition = POLICIES.lru;
      const allocation = definition.allocate(shape, 21, 0);
      if (typeof allocation === "number") throw new Error("21 slots are enough");
      const context = { shape, allocation };
      const setting = { definition, shape, trace, context, seed };
      const { heldBy, scheduler } = open(setting);
      trace.forEach((routing, i) => {
        if (i === 60) scheduler.resize([2, 2, 3]);
        if (i === 90) scheduler.resize([2, 5, 3]);
        scheduler.request(routing);
        scheduler.slots.forEach((slot, place) => {
          scheduler.waitFor(place);
          expect(heldBy[slot]).toBe(routing.layer * 10 + (routing.experts[place] ?? 0));
        });
        scheduler.release();
      });
      const resident = (layer: number) =>
        Array.from({ length: 10 }, (_, expert) => layer * 10 + expert).filter((key) =>
          scheduler.isResident(key),
        ).length;
      expect([resident(0), resident(1), resident(2)]).toEqual([2, 5, 3]);
    }
  });
});
