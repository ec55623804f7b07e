import { createPrng, type Prng } from "@fmlab/sim";
import { describe, expect, it } from "vitest";
import { joinShortestQueue } from "../../src/scheduling/jsq.ts";
import { roundRobin } from "../../src/scheduling/round-robin.ts";
import { simulate } from "../../src/simulator/simulate.ts";
import { plainCluster, plainNode, poissonTrace } from "./workloads.ts";

const meanOf = (values: ArrayLike<number>, from: number): number => {
  let sum = 0;
  for (let i = from; i < values.length; i++) sum += values[i] as number;
  return sum / (values.length - from);
};

/** Probability that an arrival waits in M/M/c with offered load `a` (Erlang C). */
function erlangC(servers: number, a: number): number {
  let blocking = 1;
  for (let k = 1; k <= servers; k++) blocking = (a * blocking) / (k + a * blocking);
  return blocking / (1 - (a / servers) * (1 - blocking));
}

describe("the simulator agrees with closed forms", () => {
  it("M/M/c: mean response time within 1 %", () => {
    for (const [servers, load] of [
      [1, 0.5],
      [3, 0.6],
      [8, 0.7],
    ] as const) {
      const prng = createPrng(5, `mmc-${servers}`);
      const trace = poissonTrace(prng, 200_000, 10 / (servers * load), (p) => p.exponential(10));
      const node = plainNode({ cores: servers });
      const { responseMs } = simulate(plainCluster([node], trace, roundRobin()));
      // With the sample's own rates, so that only the queue's chance is left.
      const size = meanOf(trace.durationMs, 0);
      const a = (size * trace.count) / (trace.arrivalMs[trace.count - 1] as number);
      const expected = size + (erlangC(servers, a) * size) / (servers - a);
      const ratio = meanOf(responseMs, 10_000) / expected;
      expect(Math.abs(ratio - 1), `c = ${servers}: ${ratio}`).toBeLessThan(0.01);
    }
  });

  it("G/G/c: every single response is that of the Kiefer-Wolfowitz recursion", () => {
    const prng = createPrng(8, "kw");
    const trace = poissonTrace(prng, 20_000, 4, (p) => p.exponential(10) + 1);
    const { responseMs } = simulate(plainCluster([plainNode({ cores: 3 })], trace, roundRobin()));
    const freeAtMs = [0, 0, 0];
    trace.arrivalMs.forEach((at, i) => {
      const start = Math.max(at, Math.min(...freeAtMs));
      const end = start + (trace.durationMs[i] as number);
      freeAtMs[freeAtMs.indexOf(Math.min(...freeAtMs))] = end;
      expect(Math.abs((responseMs[i] as number) - (end - at))).toBeLessThan(1e-6);
    });
  });

  it("M/G/1-PS: mean response is E[S] / (1 - load) whatever the distribution, within 1 %", () => {
    const sizes: [name: string, draw: (prng: Prng) => number][] = [
      ["constant", () => 10],
      ["two-valued", (p) => (p.chance(0.9) ? 5 : 55)],
      ["exponential", (p) => p.exponential(10)],
    ];
    for (const [name, draw] of sizes) {
      const trace = poissonTrace(createPrng(2, `ps-${name}`), 60_000, 30, draw);
      const node = plainNode({ discipline: "ps" });
      const { responseMs } = simulate(plainCluster([node], trace, roundRobin()));
      // With the sample's own mean size and gap, so that only the queue's chance is left.
      const size = meanOf(trace.durationMs, 0);
      const gap = (trace.arrivalMs[trace.count - 1] as number) / trace.count;
      const expected = size / (1 - size / gap);
      expect(Math.abs(meanOf(responseMs, 5000) / expected - 1), name).toBeLessThan(0.01);
    }
  });

  it("G/G/c-PS: every single response is that of stepping from event to event", () => {
    const trace = poissonTrace(createPrng(9), 1500, 8, (p) => p.exponential(20));
    const { responseMs } = simulate(
      plainCluster([plainNode({ discipline: "ps", cores: 3 })], trace, roundRobin()),
    );
    const left = new Map<number, number>();
    let nowMs = 0;
    let next = 0;
    while (next < trace.count || left.size > 0) {
      const share = Math.min(1, 3 / left.size);
      const endMs = nowMs + Math.min(...left.values()) / share;
      const untilMs = Math.min(endMs, trace.arrivalMs[next] ?? Number.POSITIVE_INFINITY);
      for (const [id, work] of left) {
        left.set(id, work - (untilMs - nowMs) * share);
        if ((left.get(id) as number) > 1e-7) continue;
        left.delete(id);
        const expected = untilMs - (trace.arrivalMs[id] as number);
        expect(Math.abs((responseMs[id] as number) - expected)).toBeLessThan(1e-5);
      }
      nowMs = untilMs;
      if (untilMs === trace.arrivalMs[next]) left.set(next, trace.durationMs[next++] as number);
    }
  });

  it("M/G/1-PS: a request's response is proportional to its size", () => {
    const draw = (p: Prng) => (p.chance(0.9) ? 5 : 55);
    const trace = poissonTrace(createPrng(3, "ps-size"), 80_000, 20, draw);
    const { responseMs } = simulate(
      plainCluster([plainNode({ discipline: "ps" })], trace, roundRobin()),
    );
    for (const size of [5, 55]) {
      const of = responseMs.filter((_, i) => trace.durationMs[i] === size);
      expect(Math.abs(meanOf(of, 0) / (2 * size) - 1)).toBeLessThan(0.02);
    }
  });

  it("M/M/1-PS with two cores: a lone request never has more than one of them", () => {
    const trace = poissonTrace(createPrng(4), 2000, 1000, () => 10);
    const { responseMs } = simulate(
      plainCluster([plainNode({ discipline: "ps", cores: 2 })], trace, roundRobin()),
    );
    expect(Math.min(...responseMs)).toBeCloseTo(10, 6);
  });

  it("JSQ(2) over many nodes comes near the mean-field limit", () => {
    const [nodes, load] = [200, 0.7];
    const trace = poissonTrace(createPrng(6), 120_000, 10 / (nodes * load), (p) =>
      p.exponential(10),
    );
    const cluster = Array.from({ length: nodes }, (_, i) => plainNode({}, i));
    const prng = createPrng(7);
    const { responseMs } = simulate(plainCluster(cluster, trace, joinShortestQueue(prng)));
    // Mitzenmacher 2001: sum over i >= 1 of load^(2^i - 2), in units of the mean service time.
    let expected = 0;
    for (let i = 1; i < 8; i++) expected += load ** (2 ** i - 2) * 10;
    expect(meanOf(responseMs, 20_000) / expected).toBeGreaterThan(0.98);
    expect(meanOf(responseMs, 20_000) / expected).toBeLessThan(1.03);
  });
});
