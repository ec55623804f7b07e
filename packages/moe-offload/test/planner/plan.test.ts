import { describe, expect, it } from "vitest";
import { STRATEGIES } from "../../src/offload/strategies.ts";
import { CANDIDATES, RESIDENT } from "../../src/planner/candidates.ts";
import { contextLengths, slotsByContext } from "../../src/planner/context-slots.ts";
import { exposeCurves, measureMissCurves } from "../../src/planner/layer-curves.ts";
import { type PlanOption, planMemories, speedOf } from "../../src/planner/plan.ts";
import { cpuExpertsOf } from "../../src/planner/planner-machine.ts";
import {
  type PlanSetup,
  type Prediction,
  predict,
  predictBest,
  speedInterval,
} from "../../src/planner/predict.ts";
import { bottleneckOf, speedWhenDoubled, withLink } from "../../src/planner/sensitivity.ts";
import { POLICIES } from "../../src/policies/registry.ts";
import { replayTrace } from "../../src/replay/replayer.ts";
import { EXPERT_BYTES, MODEL, SHAPE, smallSetup } from "./small-setup.ts";

const SEEDS = [1, 2];
/** Layers of 8 experts whose slots are as many as equal shares of so many experts. */
const budget = (experts: number) => experts * EXPERT_BYTES;
const speed = (setup: PlanSetup, name: keyof typeof STRATEGIES, experts: number) =>
  need(predict(setup, STRATEGIES[name], budget(experts))).result.tokensPerSecond;

function need<T>(value: T | undefined): T {
  if (value === undefined) throw new Error("expected a value");
  return value;
}

describe("experts on the CPU", () => {
  const beside = (expertMs: number) =>
    smallSetup(1, { cpuExperts: { choice: "balanced", expertMs, layerMs: 0 } });
  const request = { memoryBytes: [budget(12)], contextTokens: 0, curvePoints: 2 };

  it("are planned where they make a token faster, beside the same strategies without", () => {
    const { plans } = planMemories(beside(0.1), request);
    const { chosen, options, sensitivity } = need(plans[0]);
    expect(chosen.candidate.name).toMatch(/-beside-cpu$/);
    expect(chosen.prediction.result.counts.cpuComputed).toBeGreaterThan(0);
    const copying = options.filter(({ candidate }) => !candidate.isBesideCpu);
    const [plain] = planMemories(smallSetup(1), request).plans;
    expect(copying.map(speedOf)).toEqual(need(plain).options.map(speedOf));
    expect(speedOf(chosen)).toBeGreaterThan(1.2 * speedOf(need(copying[0])));
    // What is doubled is doubled for the chosen way, which needs the link less.
    const link = sensitivity.link / speedOf(chosen);
    expect(link).toBeLessThan(need(plain).sensitivity.link / speedOf(need(plain).chosen));
  });

  it("are not where the CPU is slow", () => {
    const [plan] = planMemories(beside(1e5), request).plans;
    expect(need(plan).chosen.candidate.isBesideCpu).toBeUndefined();
  });

  it("are refused for a machine without a card", () => {
    const times = { expertMs: 1, layerMs: 0 };
    expect(cpuExpertsOf(times, "rtx3090-pcie4")).toEqual({ ...times, choice: "balanced" });
    expect(cpuExpertsOf(times, "this", "cuda")).toEqual({ ...times, choice: "balanced" });
    expect(cpuExpertsOf({ ...times, expertMs: 0 }, "this")).toBeUndefined();
    for (const machine of ["this", "none", "usb3"]) {
      expect(() => cpuExpertsOf(times, machine)).toThrow(/the machine has none.*Name a machine/);
    }
  });
});

describe("a prediction", () => {
  it("of load on demand is the sum of all times, since nothing overlaps", () => {
    const setup = smallSetup(1);
    // A layer: attention, two transfers, one graph of everything else; 2 graphs; then the head.
    const transferMs = 0.05 + EXPERT_BYTES / 800e3;
    const layerMs = 0.3 + 2 * transferMs + 0.07 + 2 * 0.11 + 0.013 + 2 * 0.02;
    const tokenMs = 3 * layerMs + (0.9 + 0.02) + (0.5 + 0.02);
    expect(speed(setup, "load-on-demand", 12)).toBeCloseTo(1e3 / tokenMs, 6);
  });

  it("with every expert resident is the sum of computing", () => {
    const { result } = need(predict(smallSetup(1), RESIDENT.strategy, budget(24)));
    const layerMs = 0.3 + 0.07 + 2 * 0.11 + 0.013 + 2 * 0.02;
    expect(result.tokensPerSecond).toBeCloseTo(1e3 / (3 * layerMs + 0.92 + 0.52), 6);
  });

  it("of LRU is what the replayer says of as many slots", () => {
    for (const seed of SEEDS) {
      const setup = smallSetup(seed);
      const { link, times } = setup.machine;
      const direct = replayTrace(setup.workload.trace, {
        policy: POLICIES.lru,
        slotCount: 12,
        expertBytes: () => EXPERT_BYTES,
        link,
        times,
        readyFirst: false,
        warmupTokens: setup.workload.warmupTokens,
      });
      const found = need(predict(setup, STRATEGIES.lru, budget(12)));
      expect(found.result).toEqual(direct);
      expect(found.slots.reduce((a, b) => a + b, 0)).toBe(12);
    }
  });

  it("is undefined in a memory that is too small, and not above the best possible", () => {
    const setup = smallSetup(2);
    expect(predict(setup, STRATEGIES.lru, EXPERT_BYTES / 2)).toBeUndefined();
    expect(predictBest(setup, EXPERT_BYTES / 2)).toBeUndefined();
    const best = need(predictBest(setup, budget(12))).tokensPerSecond;
    for (const { name, sizing, strategy } of CANDIDATES) {
      if (sizing === "curves") continue;
      const found = predict(setup, strategy, budget(12));
      expect(found?.result.tokensPerSecond ?? 0, name).toBeLessThanOrEqual(best);
    }
  });

  it("lies in its interval, which is as narrow as its text is even", () => {
    const setup = smallSetup(2);
    const lazy = speedInterval(setup, STRATEGIES["load-on-demand"], budget(12));
    expect(lazy.low).toBeCloseTo(lazy.high, 6);
    const { low, high } = speedInterval(setup, STRATEGIES.lru, budget(12));
    const found = speed(setup, "lru", 12);
    expect(low).toBeLessThan(found);
    expect(high).toBeGreaterThan(found);
  });
});

describe("plans for rising memory", () => {
  const request = { contextTokens: 1000, curvePoints: 2 };
  const memories = [5, 9, 10, 16, 24].map((experts) => budget(experts) + 1e6);

  it.each(SEEDS)("are never slower, and none is beaten by a candidate (seed %i)", (seed) => {
    const setup = smallSetup(seed);
    const { plans } = planMemories(setup, { ...request, memoryBytes: memories });
    const speeds = plans.map(({ chosen }) => speedOf(chosen));
    expect(speeds).toEqual([...speeds].sort((a, b) => a - b));
    for (const { chosen, expertBudgetBytes, options } of plans) {
      const tried = CANDIDATES.filter(({ sizing }) => sizing === "policy");
      for (const { strategy } of tried) {
        const found = predict(setup, strategy, expertBudgetBytes)?.result.tokensPerSecond ?? 0;
        expect(found).toBeLessThanOrEqual(speedOf(chosen) * (1 + 1e-8));
      }
      expect(speedOf(chosen)).toBeGreaterThanOrEqual(speedOf(options[0] as PlanOption) * 0.999);
    }
    expect(plans.at(-1)?.mode).toBe("all-resident");
  });

  it("take the KV cache off the memory first, and refuse one that leaves nothing", () => {
    const setup = smallSetup(1);
    const [plan] = planMemories(setup, { ...request, memoryBytes: [budget(12) + 1e6] }).plans;
    expect(plan?.kvBytes).toBe(1000 * MODEL.kvBytesPerToken);
    expect(plan?.expertBudgetBytes).toBe(budget(12));
    const tooLittle = () => planMemories(setup, { ...request, memoryBytes: [1e6] });
    expect(tooLittle).toThrow("leaves nothing");
    const oneByte = () => planMemories(setup, { ...request, memoryBytes: [1e6 + 1] });
    expect(oneByte).toThrow("not even the experts of one token");
  });

  it("are never slower over a faster link", () => {
    for (const seed of SEEDS.slice(0, 1)) {
      let before = 0;
      for (const bandwidth of [0.5, 1, 4]) {
        const setup = smallSetup(seed);
        const machine = withLink(setup.machine, { bandwidth, latency: 1 });
        const faster = { ...setup, machine };
        const [plan] = planMemories(faster, { ...request, memoryBytes: [budget(10) + 1e6] }).plans;
        expect(speedOf(need(plan).chosen)).toBeGreaterThanOrEqual(before);
        before = speedOf(need(plan).chosen);
      }
    }
  });
});

describe("sizes of layers", () => {
  it("wait as little as the best of all allocations, tried one by one on the same curves", () => {
    for (const seed of SEEDS) {
      const setup = smallSetup(seed);
      const plain = CANDIDATES.find(({ name }) => name === "ours-no-prefetch");
      const strategy = need(plain).strategy;
      const equal = need(predict(setup, strategy, budget(12)));
      const curves = exposeCurves(measureMissCurves(setup), equal);
      const waiting = (slots: readonly number[]) =>
        slots.reduce((sum, count, place) => {
          const layer = SHAPE.moeLayers[place] ?? 0;
          const misses = curves.missesPerToken[layer]?.[count] ?? 0;
          return sum + misses * (curves.exposedMs?.[layer] ?? 0);
        }, 0);
      let best = Number.POSITIVE_INFINITY;
      for (let a = 2; a <= 8; a++) {
        for (let b = 2; b <= 8; b++) {
          const c = 12 - a - b;
          if (c >= 2 && c <= 8) best = Math.min(best, waiting([a, b, c]));
        }
      }
      const sized = need(predict(setup, strategy, budget(12), curves));
      const total = sized.slots.reduce((a, b) => a + b, 0);
      expect(total).toBe(12);
      // Curves that are not convex cost one piece of a hull at most; the mean piece here is small.
      expect(waiting(sized.slots)).toBeLessThanOrEqual(best * 1.03);
    }
  });

  it("are worth the waiting of their layer, and the mean where it never waited", () => {
    const curves = { missesPerToken: [undefined, new Float64Array(9), new Float64Array(9)] };
    const layer = (index: number, demanded: number, stallMs: number) => ({
      layer: index,
      uses: 0,
      hits: 0,
      lateHits: 0,
      prefetched: 0,
      demanded,
      stallMs,
    });
    const result = { layers: [layer(1, 10, 5), layer(2, 0, 0)] };
    const { exposedMs } = exposeCurves(curves, { result } as unknown as Prediction);
    expect(exposedMs).toEqual([0.5, 0.5, 0.5]);
    const uneven = { layers: [layer(1, 10, 5), layer(2, 10, 25)] };
    const other = exposeCurves(curves, { result: uneven } as unknown as Prediction);
    expect(other.exposedMs).toEqual([1.5, 0.5, 2.5]);
  });

  it("give way to the KV cache as the context grows", () => {
    const setup = smallSetup(1);
    const candidate = need(CANDIDATES.find(({ name }) => name === "ours-no-prefetch-sized"));
    const equal = need(predict(setup, candidate.strategy, budget(12)));
    const curves = exposeCurves(measureMissCurves(setup), equal);
    const memoryBytes = budget(14);
    const rows = slotsByContext(setup, candidate, memoryBytes, curves);
    expect(rows.map(({ contextTokens }) => contextTokens)).toEqual(contextLengths(4096));
    let before = Number.POSITIVE_INFINITY;
    for (const { expertBytes, kvBytes, slots } of rows) {
      const count = slots.reduce((a, b) => a + b, 0);
      expect(count).toBe(Math.floor(expertBytes / EXPERT_BYTES));
      expect(count * EXPERT_BYTES + kvBytes).toBeLessThanOrEqual(memoryBytes);
      expect(count).toBeLessThanOrEqual(before);
      before = count;
    }
    expect(slotsByContext(setup, candidate, 1e6, curves).at(-1)?.slots).toEqual([]);
    expect(contextLengths(100)).toEqual([100]);
    expect(contextLengths(512)).toEqual([128, 256, 512]);
  });
});

describe("the bottleneck", () => {
  const find = (setup: PlanSetup) => {
    const now = speed(setup, "load-on-demand", 12);
    const found = speedWhenDoubled(setup, STRATEGIES["load-on-demand"], budget(12), now);
    return { ...found, now, name: bottleneckOf(found) };
  };
  const link = (bandwidthMBps: number, latencyUs: number) =>
    smallSetup(1, { link: { bandwidthMBps, latencyUs, queueDepth: 1 } });

  it("is what takes most of a token's time when nothing overlaps", () => {
    expect(find(link(100, 1)).name).toBe("link");
    expect(find(link(1e6, 20_000)).name).toBe("latency");
    expect(find(link(1e6, 1)).name).toBe("compute");
  });

  it("gains what the closed form says", () => {
    const { compute, now } = find(link(800, 50));
    const computeMs = 3 * (0.3 + 0.07 + 0.22 + 0.013 + 0.04) + 0.92 + 0.52;
    expect(1e3 / now - 1e3 / compute).toBeCloseTo(computeMs / 2, 6);
  });
});
