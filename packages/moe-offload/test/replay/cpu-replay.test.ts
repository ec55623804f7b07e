import { describe, expect, it } from "vitest";
import { STRATEGIES } from "../../src/offload/strategies.ts";
import { lru } from "../../src/policies/lru.ts";
import { onDemand } from "../../src/policies/on-demand.ts";
import { uniformTimes } from "../../src/replay/compute-times.ts";
import { type ReplayCpu, type ReplayOptions, replayTrace } from "../../src/replay/replayer.ts";
import { replayStrategy } from "../../src/replay/strategy-replay.ts";
import { calibrationFromTrace } from "../../src/replay/trace-knowledge.ts";
import { traceLayout } from "../../src/replay/trace-layout.ts";
import { planCell } from "../../src/shape-run/plan-cell.ts";
import { smallTrace } from "../traces/small-trace.ts";

const BYTES = 1_000_000;
const SHAPE = { layerCount: 3, expertCount: 6, expertUsedCount: 4, moeLayers: [0, 1, 2] };
/** Two milliseconds an expert; experts of a layer take 2, what is before them 1. */
const LINK = { bandwidthMBps: 500, latencyUs: 0, queueDepth: 1 };
const TIMES = uniformTimes(SHAPE, { attentionMs: 1, expertMs: 0.5, headMs: 3 });
const trace = smallTrace({ shape: SHAPE, tokens: 40, seed: 3 });

const replay = (cpuExperts: ReplayCpu | undefined, more: Partial<ReplayOptions> = {}) =>
  replayTrace(trace, {
    ...{ policy: onDemand, slotCount: 8, expertBytes: () => BYTES, link: LINK, times: TIMES },
    ...{ readyFirst: false, cpuExperts, warmupTokens: 10 },
    ...more,
  });

describe("a replay with experts on the CPU", () => {
  it("takes what the CPU takes beside the card where it computes every miss", () => {
    const { bytes, counts, linkBusyMs, tokenTime } = replay({
      ...{ choice: "always", expertMs: 3, layerMs: 0.25 },
    });
    // A layer: 1 before the router, then 4 * 3 + 0.25 on the CPU, longer than 2 on the card.
    expect(tokenTime.totalMs).toBeCloseTo(3 * (1 + 12.25) + 3, 9);
    expect(tokenTime.stallMs).toBeCloseTo(0, 9);
    expect(counts).toMatchObject({ uses: 360, cpuComputed: 360, demanded: 0, hits: 0 });
    expect(bytes.demanded).toBe(0);
    expect(linkBusyMs).toBe(0);
    // Faster than the card: then the card decides.
    const fast = replay({ choice: "always", expertMs: 0.1, layerMs: 0 });
    expect(fast.tokenTime.totalMs).toBeCloseTo(3 * (1 + 2) + 3, 9);
  });

  it("shares four misses so that link and CPU end soonest, worked by hand", () => {
    // 2 ms a copy, 2.5 ms an expert: two each; 5 ms on the CPU hides 4 ms of copies.
    const { bytes, counts, tokenTime } = replay({
      ...{ choice: "balanced", expertMs: 2.5, layerMs: 0 },
    });
    expect(counts).toMatchObject({ cpuComputed: 180, demanded: 180 });
    expect(bytes.demanded).toBe(180 * BYTES);
    expect(tokenTime.totalMs).toBeCloseTo(3 * (1 + 5 + 2) + 3, 9);
    // A faster CPU takes three, and waits for nothing but the one copy.
    const three = replay({ choice: "balanced", expertMs: 0.6, layerMs: 0 });
    expect(three.counts).toMatchObject({ cpuComputed: 270, demanded: 90 });
    expect(three.tokenTime.totalMs).toBeCloseTo(3 * (1 + 2 + 2) + 3, 9);
    expect(three.tokenTime.stallMs).toBeCloseTo(3 * (2 - 1.8), 9);
  });

  it("is never slower with a choice than copying all, on demand, and is it where the CPU is slow", () => {
    const copying = replay(undefined).tokenTime.totalMs;
    for (const expertMs of [0.1, 0.5, 1, 2, 4, 8, 50]) {
      const { counts, tokenTime } = replay({ choice: "balanced", expertMs, layerMs: 0.2 });
      expect(tokenTime.totalMs).toBeLessThanOrEqual(copying + 1e-9);
      if (expertMs === 50) expect(counts.cpuComputed).toBe(0);
    }
  });

  it("fills the cache with what the CPU computed, while the link has nothing else to do", () => {
    const cpu = { choice: "always", expertMs: 1, layerMs: 0 } as const;
    const { bytes, counts } = replay(cpu, { policy: lru, slotCount: 15 });
    expect(counts.demanded).toBe(0);
    expect(counts.hits).toBeGreaterThan(0);
    expect(counts.upgraded).toBeGreaterThan(0);
    expect(bytes.prefetched).toBe(counts.upgraded * BYTES);
    expect(counts.hits + counts.lateHits + counts.cpuComputed).toBe(counts.uses);
  });

  it("gives up one slot of the budget", () => {
    const machine = { expertBytes: () => BYTES, link: LINK, times: TIMES };
    const cpuExperts = { choice: "balanced", expertMs: 1e9, layerMs: 0 } as const;
    const copying = replayStrategy(trace, STRATEGIES.lru, { ...machine, budgetBytes: 14 * BYTES });
    const sharing = replayStrategy(trace, STRATEGIES.lru, {
      ...{ ...machine, budgetBytes: 15 * BYTES, cpuExperts },
    });
    // With a CPU that is never worth it nothing else changes.
    expect({ ...sharing.counts }).toEqual({ ...copying.counts });
    expect(sharing.elapsedMs).toBeCloseTo(copying.elapsedMs, 9);
  });
});

describe("a plan of a cell", () => {
  const bench = (threads: number) => ({
    calibration: calibrationFromTrace(smallTrace({ shape: SHAPE, tokens: 40, seed: 4 })),
    layout: traceLayout(SHAPE, () => BYTES),
    planning: smallTrace({ shape: SHAPE, tokens: 30, seed: 5, aheadDepth: 3 }),
    job: { cpuExperts: { threads, choice: "planned" }, device: "cuda", warmupTokens: 5 } as const,
  });
  const machine = (expertMs: number) => ({
    ...{ computeMs: 4, linkMBps: 500, cpu: { expertMs, layerMs: 0.05, computeMs: 4.2 } },
  });

  it("leaves misses to a fast CPU, none to a slow one, and none where it may not", () => {
    const fast = planCell(bench(2), 12, machine(0.2));
    expect(fast.cpuExperts).toEqual({ threads: 2, choice: "balanced" });
    const without = planCell(bench(0), 12, machine(0.2));
    expect(without.cpuExperts).toBeUndefined();
    expect(fast.predicted).toBeGreaterThan(1.5 * without.predicted);
    const slow = planCell(bench(2), 12, machine(500));
    expect(slow.cpuExperts).toBeUndefined();
    expect(slow.predicted).toBe(without.predicted);
  });
});
