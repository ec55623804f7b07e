import { createPrng } from "@fmlab/sim";
import { describe, expect, it } from "vitest";
import type { MoeError } from "../../src/errors.ts";
import { planBudget } from "../../src/experts/budget.ts";
import type { ExpertLayout } from "../../src/model/expert-layout.ts";
import { POLICY_NAMES } from "../../src/policies/names.ts";
import type { ExpertPolicy } from "../../src/policies/policy.ts";
import { POLICIES } from "../../src/policies/registry.ts";

const SHAPE = { layerCount: 3, expertCount: 8, expertUsedCount: 2 };
const LAYOUT: ExpertLayout = {
  ...SHAPE,
  parts: [],
  expertBytes: 1000,
  range: () => ({ offset: 0, sizeBytes: 0 }),
};

/** One call of a policy as plain arrays. */
function place(policy: ExpertPolicy, layer: number, experts: number[]) {
  const slots = new Int32Array(experts.length).fill(-1);
  const loads = new Uint8Array(experts.length);
  policy.place(layer, Int32Array.from(experts), slots, loads);
  return { slots: [...slots], loads: [...loads] };
}

describe("the registry of policies", () => {
  it("has every name a config may use, under its own name", () => {
    expect(Object.keys(POLICIES).sort()).toEqual([...POLICY_NAMES].sort());
    for (const name of POLICY_NAMES) expect(POLICIES[name].name).toBe(name);
  });
});

describe("every policy", () => {
  it.each(POLICY_NAMES)("%s keeps slots and contents consistent over a random trace", (name) => {
    const random = createPrng(5, name);
    for (const slack of [0, 1, 5, 100]) {
      const definition = POLICIES[name];
      const used = definition.slotsUsed(SHAPE, definition.slotsMin(SHAPE) + slack);
      expect(used).toBeLessThanOrEqual(definition.slotsMin(SHAPE) + slack);
      const policy = definition.create(SHAPE, used);
      // What a real pool would hold after each load: the judge of every claimed hit.
      const pool = new Array<string>(used).fill("");
      for (const { layer, expert, slot } of policy.initial()) pool[slot] = `${layer}/${expert}`;
      for (let step = 0; step < 1000; step++) {
        const layer = step % SHAPE.layerCount;
        const experts = random.shuffle([0, 1, 2, 3, 4, 5, 6, 7]).slice(0, 2);
        const { slots, loads } = place(policy, layer, experts);
        if (slots[0] === slots[1]) expect.unreachable("two experts share a slot");
        slots.forEach((slot, i) => {
          if (loads[i] === 1) pool[slot] = `${layer}/${experts[i]}`;
        });
        const held = slots.map((slot) => pool[slot]);
        // A slot outside the pool would lengthen it, or hold nothing.
        expect([pool.length, ...held]).toEqual([used, ...experts.map((e) => `${layer}/${e}`)]);
      }
    }
  });
});

describe("all-resident", () => {
  it("puts expert e of layer l in slot l * experts + e and loads nothing later", () => {
    const policy = POLICIES["all-resident"].create(SHAPE, 24);
    const initial = [...policy.initial()];
    expect(initial).toHaveLength(24);
    for (const { layer, expert, slot } of initial) expect(slot).toBe(layer * 8 + expert);
    expect(place(policy, 2, [7, 0])).toEqual({ slots: [23, 16], loads: [0, 0] });
  });
});

describe("on-demand", () => {
  it("loads every expert every time", () => {
    const policy = POLICIES["on-demand"].create(SHAPE, 2);
    expect([...policy.initial()]).toEqual([]);
    expect(place(policy, 0, [3, 5])).toEqual({ slots: [0, 1], loads: [1, 1] });
    expect(place(policy, 0, [3, 5])).toEqual({ slots: [0, 1], loads: [1, 1] });
  });
});

describe("lru", () => {
  it("hits and misses as a list ordered by last use does, over 300 random traces", () => {
    const random = createPrng(11, "lru");
    for (let trace = 0; trace < 300; trace++) {
      const expertUsedCount = 1 + random.nextInt(4);
      const expertCount = expertUsedCount + random.nextInt(12);
      const shape = { layerCount: 1 + random.nextInt(3), expertCount, expertUsedCount };
      const perLayer = expertUsedCount + random.nextInt(expertCount);
      const policy = POLICIES.lru.create(shape, perLayer * shape.layerCount);
      const recent: number[][] = Array.from({ length: shape.layerCount }, () => []);
      const all = Array.from({ length: expertCount }, (_, e) => e);
      for (let step = 0; step < 200; step++) {
        const layer = step % shape.layerCount;
        const experts = random.shuffle(all).slice(0, expertUsedCount);
        const expected = naiveLru(recent[layer] ?? [], experts, Math.min(perLayer, expertCount));
        expect(place(policy, layer, experts).loads).toEqual(expected);
      }
    }
  });

  it("gives each layer its own slots", () => {
    const policy = POLICIES.lru.create(SHAPE, 9);
    expect(place(policy, 0, [1, 2]).slots).toEqual([0, 1]);
    expect(place(policy, 2, [1, 2]).slots).toEqual([6, 7]);
    expect(place(policy, 0, [2, 1])).toEqual({ slots: [1, 0], loads: [0, 0] });
  });

  it("never evicts a hit for a miss of the same token", () => {
    const policy = POLICIES.lru.create({ ...SHAPE, layerCount: 1 }, 2);
    place(policy, 0, [0, 1]);
    // Expert 0 was used longest ago, but this token needs it.
    expect(place(policy, 0, [5, 0])).toEqual({ slots: [1, 0], loads: [1, 0] });
  });
});

/** `recent`: experts by rising last use. The definition of LRU, on a list. */
function naiveLru(recent: number[], experts: number[], capacity: number): number[] {
  const loads = experts.map((expert) => (recent.includes(expert) ? 0 : 1));
  for (const expert of experts) {
    if (recent.includes(expert)) recent.splice(recent.indexOf(expert), 1);
    else if (recent.filter((e) => !experts.includes(e)).length + experts.length > capacity) {
      const victim = recent.findIndex((e) => !experts.includes(e));
      if (victim >= 0 && recent.length >= capacity) recent.splice(victim, 1);
    }
    recent.push(expert);
  }
  return loads;
}

describe("a budget", () => {
  it("buys whole experts, and no more than the policy uses", () => {
    expect(planBudget(12_999, LAYOUT, POLICIES.lru)).toMatchObject({
      slotCount: 12,
      slotsPerLayer: 4,
      usedBytes: 12_000,
    });
    expect(planBudget(13_999, LAYOUT, POLICIES.lru).slotCount).toBe(12);
    expect(planBudget(1e9, LAYOUT, POLICIES.lru).slotCount).toBe(24);
    expect(planBudget(1e9, LAYOUT, POLICIES["on-demand"]).slotCount).toBe(2);
  });

  it.each([
    ["all-resident", 24_000],
    ["on-demand", 2000],
    ["lru", 6000],
  ] as const)("too small for %s is refused with the smallest that does", (name, needed) => {
    expect(planBudget(needed, LAYOUT, POLICIES[name]).usedBytes).toBe(needed);
    try {
      planBudget(needed - 1, LAYOUT, POLICIES[name]);
      expect.unreachable();
    } catch (error) {
      expect((error as MoeError).failure).toMatchObject({
        code: "BUDGET_TOO_SMALL",
        neededBytes: needed,
      });
      const told = /Set budgetMiB to ([\d.]+)/.exec((error as Error).message);
      const toldBytes = Math.floor(Number(told?.[1]) * 1_048_576);
      expect(planBudget(toldBytes, LAYOUT, POLICIES[name]).usedBytes).toBe(needed);
    }
  });
});
