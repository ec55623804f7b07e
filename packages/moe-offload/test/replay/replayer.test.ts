import { assert } from "@fmlab/experiment";
import { createPrng } from "@fmlab/sim";
import { describe, expect, it } from "vitest";
import type { FinishedLoad } from "../../src/offload/lane.ts";
import {
  AdaptivePrefetch,
  FatePrefetch,
  FixedPrefetch,
} from "../../src/offload/prefetch-control.ts";
import type { RoutingShape } from "../../src/offload/routing.ts";
import { allResident } from "../../src/policies/all-resident.ts";
import { belady } from "../../src/policies/belady.ts";
import { lru } from "../../src/policies/lru.ts";
import { onDemand } from "../../src/policies/on-demand.ts";
import { residentTokenMs, uniformTimes } from "../../src/replay/compute-times.ts";
import { TraceFuture } from "../../src/replay/future.ts";
import { oraclePredictor } from "../../src/replay/oracle-predictor.ts";
import { type ReplayOptions, replayTrace } from "../../src/replay/replayer.ts";
import type { HostTier } from "../../src/replay/virtual-lane.ts";
import { RoutingCursor } from "../../src/traces/routing-cursor.ts";
import type { Trace } from "../../src/traces/trace.ts";
import { smallTrace } from "../traces/small-trace.ts";
import { naiveLru } from "./naive-lru.ts";

const BYTES = 1_000_000;
/** 1 MB in 2 ms. */
const LINK = { bandwidthMBps: 500, latencyUs: 0, queueDepth: 1 };
const SHAPE: RoutingShape = {
  layerCount: 3,
  expertCount: 6,
  expertUsedCount: 2,
  moeLayers: [0, 1, 2],
};
const TIMES = uniformTimes(SHAPE, { attentionMs: 1, expertMs: 0.5, headMs: 3 });

const base = (policy: ReplayOptions["policy"]): ReplayOptions => ({
  policy,
  slotCount: 12,
  expertBytes: () => BYTES,
  link: LINK,
  times: TIMES,
  readyFirst: false,
});
const traceOf = (experts: number[], shape = SHAPE): Trace => {
  const tokens = experts.length / shape.moeLayers.length / shape.expertUsedCount;
  return { ...smallTrace({ shape, tokens, isBare: true }), experts: Uint16Array.from(experts) };
};

describe("a replay", () => {
  it("takes compute + k * layers * transfer for each token when all is loaded on demand", () => {
    const trace = smallTrace({ shape: SHAPE, tokens: 50 });
    const result = replayTrace(trace, base(onDemand));
    // 3 layers of 1 + 2 * 0.5, the head 3, and 6 loads of 2 ms.
    expect(result.tokensPerSecond).toBeCloseTo(1e3 / (3 * 2 + 3 + 6 * 2), 9);
    expect(result.tokenTime.stallMs).toBeCloseTo(12, 9);
    expect(result.bytes).toEqual({ demanded: 50 * 6 * BYTES, prefetched: 0, wasted: 0 });
    expect(result.bound.linkMs).toBeCloseTo(12, 9);
    expect(result.bound.tokensPerSecond).toBeCloseTo(1e3 / 12, 9);
    expect(result.linkBusyMs).toBeCloseTo(50 * 12, 6);
  });

  it("computes without a stall when all experts are resident", () => {
    const trace = smallTrace({ tokens: 20 });
    const times = uniformTimes(trace.shape, {
      graphMs: 0.25,
      denseMs: 4,
      attentionMs: 1,
      sharedMs: 0.5,
      expertMs: 2,
      combineMs: 0.125,
      headMs: 8,
    });
    const options = { ...base(allResident), slotCount: 18, times, readyFirst: true };
    const { tokenTime, counts } = replayTrace(trace, options);
    const resident = residentTokenMs(trace.shape, times, 0);
    expect(resident.computeMs).toBeCloseTo(4 + 3 * (1 + 0.5 + 4 + 0.125) + 8, 9);
    expect(tokenTime).toEqual({ ...resident, totalMs: expect.closeTo(28.875 + 2, 9), stallMs: 0 });
    expect(tokenTime.overheadMs).toBeCloseTo(0.25 * (2 * 3 + 1 + 1), 9);
    expect(counts).toMatchObject({ uses: 20 * 6, hits: 20 * 6, demanded: 0 });
  });

  it("hides latency up to the queue depth, and never bandwidth", () => {
    const trace = smallTrace({ shape: SHAPE, tokens: 10 });
    const stallMs = (queueDepth: number) =>
      replayTrace(trace, {
        ...base(onDemand),
        link: { bandwidthMBps: 500, latencyUs: 3000, queueDepth },
      }).tokenTime.stallMs;
    // Two loads a layer: both latencies in a row, or one hidden behind the other's.
    expect(stallMs(1)).toBeCloseTo(3 * 2 * (3 + 2), 9);
    expect(stallMs(2)).toBeCloseTo(3 * (3 + 2 * 2), 9);
  });

  it("lets loads pass disk and link at the same time, and host memory save the disk", () => {
    const shape = { layerCount: 1, expertCount: 2, expertUsedCount: 2, moeLayers: [0] };
    const trace = traceOf([0, 1, 1, 0, 0, 1], shape);
    const times = uniformTimes(shape, { attentionMs: 1, expertMs: 0.5, headMs: 0 });
    const disk = { bandwidthMBps: 200, latencyUs: 0, queueDepth: 1 };
    const elapsed = (memoryBytes: number, host: Partial<HostTier> = {}) =>
      replayTrace(trace, {
        ...base(onDemand),
        slotCount: 2,
        times,
        host: { memoryBytes, disk, ...host },
      });
    // Disk 5 ms an expert, link 2 ms: 5 + 5 + 2 with an empty host, 2 + 2 with a warm one.
    expect(elapsed(2 * BYTES).elapsedMs).toBeCloseTo(3 * 2 + 12 + 4 + 4, 9);
    expect(elapsed(2 * BYTES).diskBusyMs).toBeCloseTo(10, 9);
    expect(elapsed(0).elapsedMs).toBeCloseTo(3 * 2 + 3 * 12, 9);
    // One expert fits: the one loaded last. Tokens want 0 1 | 1 0 | 0 1, so the first of each
    // later token comes from host memory (2 ms) while the second is on the disk (5 + 2 ms).
    expect(elapsed(BYTES).elapsedMs).toBeCloseTo(3 * 2 + 12 + 7 + 7, 9);
    // Loaded before the start, all is there; where only one fits, 0 stays and 1 is on the disk.
    expect(elapsed(2 * BYTES, { preload: [0, 1] }).elapsedMs).toBeCloseTo(3 * 2 + 3 * 4, 9);
    const pinned = elapsed(BYTES, { preload: [0, 1], mode: "pinned" });
    expect(pinned.elapsedMs).toBeCloseTo(3 * 2 + 3 * 7, 9);
    expect(pinned.diskBusyMs).toBeCloseTo(3 * 5, 9);
  });

  it("follows a pipeline of two layers with prefetches, worked by hand", () => {
    const shape = { layerCount: 2, expertCount: 3, expertUsedCount: 1, moeLayers: [0, 1] };
    const times = uniformTimes(shape, { attentionMs: 1, expertMs: 0.5, headMs: 1 });
    const trace = traceOf([0, 1, 1, 1, 0, 2], shape);
    const loads: FinishedLoad[] = [];
    const result = replayTrace(trace, {
      ...base(onDemand),
      slotCount: 3,
      prefetchWidth: 2,
      predictor: oraclePredictor(trace),
      control: new FixedPrefetch(1),
      times,
      link: LINK,
      onLoad: (load) => loads.push(load),
    });
    // Layer 0 asks at 1, has its expert at 3, computes to 3.5; attention to 4.5. The prefetch for
    // layer 1 was queued behind at 1, runs 3 to 5: half a millisecond of stall. Experts to 5.5,
    // head to 6.5. Every token is the same.
    expect(result.elapsedMs).toBeCloseTo(3 * 6.5, 9);
    expect(result.tokenTime.stallMs).toBeCloseTo(2.5, 9);
    expect(result.counts).toMatchObject({ demanded: 3, prefetched: 3, lateHits: 3, hits: 0 });
    expect(result.bytes).toEqual({ demanded: 3 * BYTES, prefetched: 3 * BYTES, wasted: 0 });
    const spans = loads.slice(0, 4).map(({ startMs, endMs }) => [startMs, endMs]);
    expect(spans).toEqual([
      [1, 3],
      [3, 5],
      [7.5, 9.5],
      [9.5, 11.5],
    ]);
  });
});

describe("LRU against a simulation written apart from it", () => {
  const shapes: RoutingShape[] = [
    { layerCount: 4, expertCount: 6, expertUsedCount: 2, moeLayers: [1, 2, 3] },
    { layerCount: 3, expertCount: 12, expertUsedCount: 5, moeLayers: [0, 2] },
  ];

  it("has the same hits and times, with ready experts first and without", () => {
    for (let seed = 1; seed <= 24; seed++) {
      const prng = createPrng(seed, "lru");
      const shape = shapes[seed % 2] ?? SHAPE;
      const times = uniformTimes(shape, {
        graphMs: 0.05,
        denseMs: 0.7,
        attentionMs: 0.3,
        attentionMsPerPosition: 0.01,
        sharedMs: seed % 3 === 0 ? 0 : 0.6,
        expertMs: 0.4,
        combineMs: 0.02,
        headMs: 1.1,
      });
      const trace = smallTrace({ shape, seed, tokens: 20, reuse: prng.nextFloat() });
      const slots = shape.expertUsedCount + prng.nextInt(4);
      const megabytes = 0.1 + prng.nextFloat();
      const layer = times.layers[0];
      assert(layer !== undefined, "a layer has times");
      for (const readyFirst of [false, true]) {
        const result = replayTrace(trace, {
          ...base(lru),
          slotCount: shape.moeLayers.length * slots,
          expertBytes: () => megabytes * 1e6,
          times,
          readyFirst,
        });
        const naive = naiveLru(trace, slots, megabytes * 2, { ...times, layer }, readyFirst);
        expect(result.elapsedMs).toBeCloseTo(naive.elapsedMs, 6);
        expect(result.layers.map((each) => each.hits)).toEqual(naive.hits);
        result.layers.forEach((each, i) => {
          expect(each.stallMs).toBeCloseTo(naive.stallMs[i] ?? -1, 6);
        });
      }
    }
  });
});

describe("any replay", () => {
  const controls = [
    () => new FixedPrefetch(2),
    () => new FatePrefetch(6),
    () => new AdaptivePrefetch(4, 4),
  ];

  it("moves the bytes of its loads, ends every load, and never overuses the link", () => {
    for (let seed = 1; seed <= 12; seed++) {
      const prng = createPrng(seed, "any");
      const trace = smallTrace({ seed, tokens: 40, reuse: 0.5 });
      const control = controls[seed % 3]?.();
      const bandwidthMBps = 100 + prng.nextInt(3000);
      const wireMs = BYTES / (bandwidthMBps * 1e3);
      const loads: FinishedLoad[] = [];
      const result = replayTrace(trace, {
        ...base(seed % 2 === 0 ? lru : onDemand),
        slotCount: 6 + prng.nextInt(9),
        prefetchWidth: 2,
        predictor: oraclePredictor(trace),
        ...(control && { control }),
        link: {
          bandwidthMBps,
          latencyUs: 50,
          queueDepth: 1 + (seed % 3),
        },
        times: uniformTimes(trace.shape, { attentionMs: 1, expertMs: 0.5, headMs: 1 }),
        readyFirst: seed % 4 < 2,
        onLoad: (load) => loads.push(load),
      });
      const { counts, bytes, layers } = result;
      expect(bytes.demanded).toBe(counts.demanded * BYTES);
      expect(bytes.prefetched).toBe((counts.prefetched - counts.prefetchesWithdrawn) * BYTES);
      expect(counts.uses).toBe(counts.hits + counts.lateHits + counts.demanded);
      // Bytes pass one transfer after the other, whatever the queue depth.
      loads.forEach((load, i) => {
        const before = i === 0 ? 0 : (loads[i - 1]?.endMs ?? 0);
        expect(load.endMs - before).toBeGreaterThanOrEqual(wireMs - 1e-9);
      });
      // What was begun last may end after the last token.
      const pendingMs = 14 * (wireMs + 0.05);
      expect(result.linkBusyMs).toBeLessThanOrEqual(result.elapsedMs + pendingMs);
      const { totalMs, computeMs, stallMs, overheadMs } = result.tokenTime;
      expect(totalMs).toBeCloseTo(computeMs + stallMs + overheadMs, 9);
      expect(layers.reduce((sum, layer) => sum + layer.uses, 0)).toBe(counts.uses);
      expect(loads.every((load) => load.endMs >= load.startMs)).toBe(true);
      const moved = counts.demanded + counts.prefetched - counts.prefetchesWithdrawn;
      // Loads that ended after the last request are not handed over any more.
      expect(loads.length).toBeLessThanOrEqual(moved);
      expect(loads.length).toBeGreaterThanOrEqual(moved - 12);
    }
  });

  it("stays below its bound, and Belady with perfect prefetch is not slower than LRU", () => {
    for (let seed = 1; seed <= 10; seed++) {
      const trace = smallTrace({ seed, tokens: 60, reuse: 0.5 });
      const times = uniformTimes(trace.shape, { attentionMs: 1, expertMs: 0.5, headMs: 1 });
      const plain = replayTrace(trace, { ...base(lru), times });
      const best = replayTrace(trace, {
        ...base(belady),
        times,
        knowledge: { future: new TraceFuture(trace) },
        predictor: oraclePredictor(trace),
        control: new FixedPrefetch(2),
      });
      expect(plain.tokensPerSecond).toBeLessThanOrEqual(plain.bound.tokensPerSecond);
      expect(best.tokensPerSecond).toBeLessThanOrEqual(best.bound.tokensPerSecond * (1 + 1e-9));
      expect(best.tokensPerSecond).toBeGreaterThan(plain.tokensPerSecond);
    }
  });

  it("counts from the end of warming up only", () => {
    const trace = smallTrace({ shape: SHAPE, tokens: 30 });
    const all = replayTrace(trace, base(onDemand));
    const late = replayTrace(trace, { ...base(onDemand), warmupTokens: 10 });
    expect(late.tokenCount).toBe(20);
    expect(late.counts.uses).toBe(20 * 6);
    expect(late.bytes.demanded).toBe((all.bytes.demanded * 2) / 3);
    expect(late.tokensPerSecond).toBeCloseTo(all.tokensPerSecond, 9);
    const { bytes, counts } = replayTrace(trace, {
      ...base(lru),
      slotCount: 9,
      predictor: oraclePredictor(trace),
      control: new FixedPrefetch(2),
      warmupTokens: 10,
    });
    expect(counts.prefetched).toBeGreaterThan(20);
    expect(bytes.demanded).toBe(counts.demanded * BYTES);
    expect(bytes.prefetched).toBe((counts.prefetched - counts.prefetchesWithdrawn) * BYTES);
  });

  it("is told by its oracle what comes next, also in the next token, up to the end", () => {
    const trace = smallTrace({ tokens: 2 });
    const oracle = oraclePredictor(trace);
    const cursor = new RoutingCursor(trace);
    const scores = new Float32Array(6);
    const told = (target: number) => {
      if (!oracle.predict(target, scores)) return undefined;
      return [...scores.keys()].filter((e) => (scores[e] ?? 0) > 0).sort();
    };
    const truth = (token: number, index: number) => [...cursor.at(token, index).experts].sort();
    oracle.observe(cursor.at(0, 1));
    expect([told(3), told(1), told(0)]).toEqual([truth(0, 2), truth(1, 0), undefined]);
    oracle.observe(cursor.at(1, 1));
    expect([told(3), told(1)]).toEqual([truth(1, 2), undefined]);
  });

  it("refuses a budget below what the policy needs, and a link that is none", () => {
    const trace = smallTrace({ shape: SHAPE });
    expect(() => replayTrace(trace, { ...base(onDemand), slotCount: 1 })).toThrow(/at least 2/);
    const link = { ...LINK, queueDepth: 0 };
    expect(() => replayTrace(trace, { ...base(onDemand), link })).toThrow(/link.queueDepth/);
  });
});
