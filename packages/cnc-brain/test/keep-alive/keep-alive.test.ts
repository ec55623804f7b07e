import { createPrng } from "@fmlab/sim";
import { describe, expect, it } from "vitest";
import { busyLevels } from "../../src/keep-alive/busy-levels.ts";
import {
  bestPlan,
  GAP_EDGES_MS,
  GapHistogram,
  mixGaps,
} from "../../src/keep-alive/gap-histogram.ts";
import { greedyDualPriority } from "../../src/keep-alive/greedy-dual.ts";
import { IdleHistogram } from "../../src/keep-alive/hybrid-histogram.ts";
import { KEEP_ALIVE_NAMES } from "../../src/keep-alive/names.ts";
import { createKeepAlive, type KeepAliveSettings } from "../../src/keep-alive/registry.ts";
import { fixedRttNetwork } from "../../src/network/network.ts";
import { roundRobin } from "../../src/scheduling/round-robin.ts";
import { simulate } from "../../src/simulator/simulate.ts";
import { summarise } from "../../src/simulator/summary.ts";
import { type InvocationRow, traceOfRows } from "../../src/traces/invocation-trace.ts";
import { plainFunction, plainNode } from "../simulator/workloads.ts";

const MINUTE = 60_000;

describe("the vectors of the paper notes, section 9", () => {
  it("GreedyDual: clock 10, frequency 4, 1.5 s, 256 MB", () => {
    expect(greedyDualPriority(10, 4, 1.5, 256)).toBeCloseTo(10.0234, 4);
  });

  it("hybrid histogram: idle times of 7 minutes", () => {
    const histogram = new IdleHistogram();
    expect(histogram.plan()).toMatchObject({ keepMs: 120 * MINUTE, prewarmMs: -1 });
    for (let i = 0; i < 20; i++) histogram.add(7 * MINUTE);
    expect(histogram.isRepresentative).toBe(true);
    const plan = histogram.plan();
    expect(plan.prewarmMs).toBeCloseTo(7 * 0.9 * MINUTE, 6);
    expect(plan.prewarmMs + plan.prewarmKeepMs).toBeCloseTo(8 * 1.1 * MINUTE, 6);
  });

  it("hybrid histogram: scattered idle times tell nothing, and those of four hours do not count", () => {
    const histogram = new IdleHistogram();
    for (const minutes of [1, 200, 2, 180, 1, 220]) histogram.add(minutes * MINUTE);
    expect(histogram.isRepresentative).toBe(false);
    const late = new IdleHistogram();
    late.add(240 * MINUTE);
    expect(late.plan().keepMs).toBe(120 * MINUTE);
  });
});

/** Rows of several functions: clocks, Poisson and bursts, in one day's hours. */
function mixedRows(seed: number, hours: number): { rows: InvocationRow[]; count: number } {
  const prng = createPrng(seed, "mixed");
  const rows: InvocationRow[] = [];
  const count = 30;
  for (let fn = 0; fn < count; fn++) {
    const gapMs = Math.exp(prng.normal(Math.log(12 * MINUTE), 1.2));
    let at = prng.nextFloat() * gapMs;
    while (at < hours * 60 * MINUTE) {
      rows.push({ functionIndex: fn, arrivalMs: at, durationMs: 200 + 800 * prng.nextFloat() });
      at +=
        fn % 3 === 0
          ? gapMs
          : prng.exponential(fn % 3 === 1 ? gapMs : prng.chance(0.7) ? gapMs / 5 : 2 * gapMs);
    }
  }
  return { rows, count };
}

function run(name: string, settings: KeepAliveSettings, memoryMb = 1e6, seed = 1) {
  const { rows, count } = mixedRows(seed, 6);
  const trace = traceOfRows(rows);
  const prng = createPrng(seed, "functions");
  const functions = Array.from({ length: count }, (_, i) =>
    plainFunction({
      name: `f-${i}`,
      memoryMb: 64 + prng.nextInt(400),
      coldStartMs: 300 + prng.nextInt(3000),
    }),
  );
  const result = simulate({
    nodes: [plainNode({ cores: 64, memoryMb })],
    functions,
    trace,
    network: fixedRttNetwork(["here"], 0),
    scheduler: roundRobin(),
    keepAlive: createKeepAlive(name, { trace, ...settings }),
  });
  const { coldStartRate, idleMemoryGbHours } = summarise(result);
  return { coldStartRate, idleMemoryGbHours, result };
}

describe("every policy", () => {
  it.each(KEEP_ALIVE_NAMES)("%s serves all requests within its memory", (name) => {
    const { result } = run(name, {}, 3000);
    expect(result.responseMs.every((ms) => ms > 0)).toBe(true);
    expect(run(name, {}, 3000).result.responseMs).toEqual(result.responseMs);
  });

  it("has known names", () => {
    expect(() => createKeepAlive("forever")).toThrowError(/no keep-alive policy "forever"/);
  });
});

/** Milliseconds of cold start for a megabyte-second, from cheap memory to dear. */
const PRICES = [0.001, 0.002, 0.003, 0.004, 0.006, 0.008, 0.012, 0.02, 0.04, 0.1];

describe("the oracle", () => {
  it("finds when so many work again as a scan of the trace does, over random traces", () => {
    for (let seed = 0; seed < 20; seed++) {
      const prng = createPrng(seed);
      const rows = Array.from({ length: 1 + prng.nextInt(60) }, () => ({
        functionIndex: 0,
        arrivalMs: prng.nextInt(1000),
        durationMs: prng.nextInt(150),
      }));
      const trace = traceOfRows(rows);
      const [levels] = busyLevels(trace, 1);
      const levelAt = (i: number) => {
        const at = trace.arrivalMs[i] as number;
        let busy = 0;
        for (let k = 0; k <= i; k++) {
          const endMs = (trace.arrivalMs[k] as number) + (trace.durationMs[k] as number);
          if (endMs > at) busy++;
        }
        return busy;
      };
      for (let k = 0; k < 60; k++) {
        const [nowMs, level] = [prng.nextInt(1100), 1 + prng.nextInt(6)];
        const found = [...trace.arrivalMs.keys()].find(
          (i) => (trace.arrivalMs[i] as number) > nowMs && levelAt(i) >= level,
        );
        const wanted = found === undefined ? Infinity : trace.arrivalMs[found];
        expect(levels?.nextAt(level, nowMs)).toBe(wanted);
      }
    }
  });

  it("has no cold start but the first of each level while memory costs next to nothing", () => {
    const rows = Array.from({ length: 400 }, (_, i) => ({
      functionIndex: 0,
      arrivalMs: 1000 * (i >> 1) + 300 * (i % 2),
      durationMs: 400,
    }));
    const trace = traceOfRows(rows);
    const result = simulate({
      nodes: [plainNode({ cores: 64, memoryMb: 1e6 })],
      functions: [plainFunction({ memoryMb: 100, coldStartMs: 5000 })],
      trace,
      network: fixedRttNetwork(["here"], 0),
      scheduler: roundRobin(),
      keepAlive: createKeepAlive("oracle", { trace, memoryPrice: 1e-6 }),
    });
    // Those that come before the first one is ready; nobody afterwards.
    const cold = result.isCold.reduce((sum, one) => sum + one, 0);
    expect(cold).toBeLessThanOrEqual(12);
    expect(result.isCold.slice(20).every((one) => one === 0)).toBe(true);
  });
});

describe("a limit of the containers' memory", () => {
  it.each(["lru", "greedy-dual"])("%s evicts idle ones for it and makes nobody wait", (name) => {
    const whole = run(name, {});
    const less = run(name, { containersMb: 2000 });
    const none = run(name, { containersMb: 1 });
    expect(less.idleMemoryGbHours).toBeLessThan(whole.idleMemoryGbHours);
    expect(less.coldStartRate).toBeGreaterThan(whole.coldStartRate);
    expect([none.coldStartRate, none.idleMemoryGbHours]).toEqual([1, 0]);
  });
});

describe("against each other", () => {
  it("the oracle is on the front: nobody has fewer cold starts with less idle memory", () => {
    const oracle = [0.001, 0.005, 0.01, 0.05].map((memoryPrice) => run("oracle", { memoryPrice }));
    const others = [
      run("fixed", { keepMs: 2 * MINUTE }),
      run("fixed", {}),
      run("fixed", { keepMs: 60 * MINUTE }),
    ];
    for (const o of oracle) {
      for (const other of others) {
        const isBeaten =
          other.coldStartRate < o.coldStartRate && other.idleMemoryGbHours < o.idleMemoryGbHours;
        expect(isBeaten).toBe(false);
      }
    }
  });

  it("ours has fewer cold starts than every fixed time at no more idle memory", () => {
    const curve = PRICES.map((memoryPrice) => run("index", { memoryPrice, saves: "count" }));
    for (const minutes of [2, 10, 30]) {
      const fixed = run("fixed", { keepMs: minutes * MINUTE });
      const ours = curve.filter(
        ({ idleMemoryGbHours }) => idleMemoryGbHours <= fixed.idleMemoryGbHours,
      );
      const least = Math.min(...ours.map(({ coldStartRate }) => coldStartRate));
      expect(least, `${minutes} minutes`).toBeLessThan(fixed.coldStartRate);
    }
  });

  it("a target makes the price follow the memory in use", () => {
    const small = run("index", { targetMb: 1000 });
    const large = run("index", { targetMb: 6000 });
    expect(small.idleMemoryGbHours).toBeLessThan(large.idleMemoryGbHours);
    expect(small.coldStartRate).toBeGreaterThan(large.coldStartRate);
  });
});

describe("the index's plan", () => {
  const none = new GapHistogram();
  const prices = (msPerSecond: number) => ({ coldStartMs: 1000, msPerSecond });

  it("prewarms for a clock: nothing kept, a container ready before the hour is full", () => {
    const clock = new GapHistogram();
    for (let i = 0; i < 300; i++) clock.add(60 * MINUTE);
    const plan = bestPlan(mixGaps(clock, none, 0), prices(1));
    expect(plan.keepMs).toBe(0);
    expect(plan.prewarmMs).toBeLessThanOrEqual(60 * MINUTE);
    expect(plan.prewarmMs).toBeGreaterThan(45 * MINUTE);
    expect(plan.prewarmMs + plan.prewarmKeepMs).toBeGreaterThan(60 * MINUTE);
  });

  it("of a memoryless function is worth what theory says: all or nothing", () => {
    const poisson = new GapHistogram();
    const prng = createPrng(1);
    for (let i = 0; i < 390; i++) poisson.add(prng.exponential(100_000));
    const chances = mixGaps(poisson, none, 0);
    // Hazard 1/100 s, cold start 1000 ms: memory is worth up to 10 ms a second.
    const kept = bestPlan(chances, prices(6));
    expect(kept.worthMs / (1000 - 6 * 100)).toBeGreaterThan(0.9);
    expect(kept.worthMs / (1000 - 6 * 100)).toBeLessThan(1.2);
    expect(kept.keepMs).toBeGreaterThan(200_000);
    expect(bestPlan(chances, prices(20)).worthMs).toBeLessThan(40);
  });

  it("is worth as much as the best of all pairs of windows, summed one by one", () => {
    const prng = createPrng(3);
    for (let round = 0; round < 4; round++) {
      const seen = new GapHistogram();
      const middle = prng.normal(11, 2);
      for (let i = 0; i < 30; i++) seen.add(Math.exp(prng.normal(middle, 0.3 + prng.nextFloat())));
      for (let i = 0; i < 5; i++) seen.add(Number.POSITIVE_INFINITY);
      const chances = mixGaps(seen, none, 0);
      const price = prices(1 + prng.nextInt(20));
      const plan = bestPlan(chances, price);
      const edges = [0, 1, 20, 60, 90, 100, 110, 120, 130, 150, 200, 234];
      let best = Number.NEGATIVE_INFINITY;
      for (const a of edges) {
        for (const i of edges.filter((x) => x >= a)) {
          for (const j of edges.filter((x) => x >= i)) {
            best = Math.max(best, worthOf(chances, price, a, i, j));
          }
        }
      }
      expect(plan.worthMs).toBeGreaterThanOrEqual(best - 1e-9);
      const at = (ms: number) => GAP_EDGES_MS.findIndex((e) => Math.abs(e - ms) < 1e-6 * ms + 1e-9);
      const from = plan.prewarmMs < 0 ? 234 : at(plan.prewarmMs);
      const to = plan.prewarmMs < 0 ? 234 : at(plan.prewarmMs + plan.prewarmKeepMs);
      expect(worthOf(chances, price, at(plan.keepMs), from, to)).toBeCloseTo(plan.worthMs, 6);
    }
  });

  it("spreads few gaps widely and many equal ones little, and loses none", () => {
    const few = new GapHistogram();
    few.add(100_000);
    const many = new GapHistogram();
    for (let i = 0; i < 300; i++) many.add(100_000);
    for (const gaps of [few, many]) {
      const sum = gaps.smoothed().reduce((a, b) => a + b, 0);
      expect(sum / gaps.total).toBeCloseTo(1, 9);
    }
    const peak = (gaps: GapHistogram) => Math.max(...gaps.smoothed()) / gaps.total;
    expect(peak(many)).toBeGreaterThan(4 * peak(few));
  });
});

/** Worth of keeping to edge a and then from edge i to edge j, one bin after another. */
function worthOf(
  { weights, total }: { weights: Float64Array; total: number },
  { coldStartMs, msPerSecond }: { coldStartMs: number; msPerSecond: number },
  a: number,
  i: number,
  j: number,
): number {
  const edge = (bin: number) => GAP_EDGES_MS[bin] as number;
  const perMs = msPerSecond / 1000;
  let worth = 0;
  let left = total;
  weights.forEach((weight, bin) => {
    const use = (edge(bin) + edge(bin + 1)) / 2;
    left -= weight;
    worth -= weight * perMs * Math.min(bin < a ? use : edge(a));
    if (bin < a) worth += weight * coldStartMs;
    if (bin >= i && j > i) {
      worth -= weight * perMs * (coldStartMs + Math.min(bin < j ? use : edge(j)) - edge(i));
      if (bin < j) worth += weight * coldStartMs;
    }
  });
  worth -= left * perMs * (edge(a) + (j > i ? coldStartMs + edge(j) - edge(i) : 0));
  return worth / total;
}
