import { createPrng } from "@fmlab/sim";
import { describe, expect, it } from "vitest";
import { percentileOf } from "../../src/measurement/percentiles.ts";
import { RunMeter } from "../../src/measurement/run-meter.ts";
import {
  extendTrail,
  joinTrails,
  PHASES,
  startTrail,
  timeByPhase,
} from "../../src/measurement/trail.ts";

describe("percentiles", () => {
  it("are the nearest rank of the merged sample, and tell lower bounds, over many samples", () => {
    for (let seed = 0; seed < 100; seed++) {
      const prng = createPrng(seed);
      const sample = () => Float64Array.from({ length: prng.nextInt(30) }, () => prng.nextInt(50));
      const ended = sample().sort();
      const waiting = sample().sort();
      const merged = [...ended, ...waiting].sort((a, b) => a - b);
      for (const percent of [1, 50, 90, 99, 99.9, 100]) {
        const expected = merged[Math.max(0, Math.ceil((percent * merged.length) / 100 - 1e-9) - 1)];
        expect(percentileOf(ended, waiting, percent)?.ms).toBe(expected);
      }
    }
  });

  it("are exact at whole ranks and lower bounds where waiting decides", () => {
    const thousand = Float64Array.from({ length: 1000 }, (_, i) => i + 1);
    const none = new Float64Array();
    expect(percentileOf(thousand, none, 99.9)).toEqual({ ms: 999, isLowerBound: false });
    expect(percentileOf(thousand, Float64Array.of(2000), 100)).toEqual({
      ms: 2000,
      isLowerBound: true,
    });
    expect(percentileOf(thousand, Float64Array.of(2000), 50)?.isLowerBound).toBe(false);
    expect(percentileOf(none, none, 50)).toBe(undefined);
  });
});

describe("trails", () => {
  it("account for every millisecond of the branch that arrived last", () => {
    const begun = extendTrail(extendTrail(startTrail(100), "queue", 110), "consensus", 150);
    const fast = extendTrail(begun, "network", 160);
    const slow = extendTrail(extendTrail(begun, "network", 155), "lockWait", 190);
    const trail = extendTrail(joinTrails(fast, slow), "execution", 195);
    const spent = timeByPhase(trail);
    expect(spent).toMatchObject({
      queue: 10,
      consensus: 40,
      network: 5,
      lockWait: 35,
      execution: 5,
    });
    expect(PHASES.reduce((sum, phase) => sum + spent[phase], 0)).toBe(trail.atMs - 100);
  });

  it("never go back in time", () => {
    const trail = startTrail(10);
    expect(extendTrail(trail, "queue", 5)).toBe(trail);
  });
});

describe("the run meter", () => {
  const meterWith = (count: number, spacingMs = 10) => {
    const meter = new RunMeter();
    for (let i = 0; i < count; i++) {
      meter.arrive(`t${i}`, { intendedMs: i * spacingMs, isCrossShard: i % 4 === 0 });
    }
    return meter;
  };

  it("counts a cross-shard transaction once, and failures and aborts never", () => {
    const meter = meterWith(100);
    for (let i = 0; i < 100; i++) {
      const ending = i < 80 ? "commit" : i < 90 ? "abort" : "fail";
      meter.end(`t${i}`, ending, i * 10 + 5);
      meter.end(`t${i}`, "commit", i * 10 + 6);
    }
    meter.retry("t0");
    expect(meter.summarise({ fromMs: 0, toMs: 1000 })).toMatchObject({
      goodputTps: 80,
      offeredTps: 100,
      abortRatio: 0.1,
      failureRatio: 0.1,
      retryRatio: 0.01,
      crossShardRatio: 0.25,
      unfinished: 0,
      latencyMs: { p50: { ms: 5, isLowerBound: false } },
    });
  });

  it("charges a stall to every transaction that should have arrived in it", () => {
    const meter = meterWith(100);
    // The system sleeps from 500 ms to 900 ms, then answers at once.
    for (let i = 0; i < 100; i++)
      meter.end(`t${i}`, "commit", i < 50 ? i * 10 + 1 : Math.max(900, i * 10 + 1));
    const { latencyMs } = meter.summarise({ fromMs: 0, toMs: 2000 });
    expect(latencyMs.p50?.ms).toBe(1);
    expect(latencyMs.p90?.ms).toBeGreaterThan(280);
    expect(latencyMs.p999?.ms).toBe(400);
  });

  it("does not let transactions that never end vanish from the latency", () => {
    const meter = meterWith(100);
    for (let i = 0; i < 40; i++) meter.end(`t${i}`, "commit", i * 10 + 1);
    const { latencyMs, unfinished, goodputTps } = meter.summarise({ fromMs: 0, toMs: 1000 });
    expect([unfinished, goodputTps]).toEqual([60, 40]);
    expect(latencyMs.p50).toMatchObject({ isLowerBound: true });
    expect(latencyMs.p50?.ms).toBeGreaterThan(50);
  });

  it("follows what arrived in the window to its end, and no further than the run went", () => {
    const meter = meterWith(100);
    for (let i = 0; i < 90; i++) meter.end(`t${i}`, "commit", i * 10 + 1500);
    const seen = meter.summarise({ fromMs: 0, toMs: 1000, knownMs: 3000 });
    expect(seen).toMatchObject({ committed: 0, unfinished: 100 });
    expect(seen.latencyMs.p90).toEqual({ ms: 1500, isLowerBound: false });
    // The last of all has waited since 990 ms.
    expect(seen.latencyMs.p999).toEqual({ ms: 2100, isLowerBound: true });
  });

  it("looks at its window only", () => {
    const meter = meterWith(100);
    for (let i = 0; i < 100; i++) meter.end(`t${i}`, "commit", i * 10 + 100);
    const { committed, offeredTps, unfinished } = meter.summarise({ fromMs: 500, toMs: 800 });
    expect([committed, offeredTps, unfinished]).toEqual([30, 100, 10]);
  });

  it("splits latency by phase, and refuses a trail that does not cover it", () => {
    const meter = meterWith(2);
    const trail = extendTrail(extendTrail(startTrail(0), "queue", 4), "consensus", 10);
    meter.end("t0", "commit", 10, trail);
    expect(() => meter.end("t1", "commit", 20, trail)).toThrow(/took from 10 to 20/);
    const { timeByPhase: byPhase } = meter.summarise({ fromMs: 0, toMs: 100 });
    expect(byPhase).toMatchObject({ queue: { meanMs: 4, p99Ms: 4 }, consensus: { meanMs: 6 } });
  });

  it("refuses a second arrival and an end without one", () => {
    const meter = meterWith(1);
    expect(() => meter.arrive("t0", { intendedMs: 0, isCrossShard: false })).toThrow(/twice/);
    expect(() => meter.end("t9", "commit", 1)).toThrow(/never arrived/);
  });

  it("adds up bytes by what they were for", () => {
    const meter = new RunMeter();
    meter.addBytes("consensus", 10);
    meter.addBytes("consensus", 5);
    meter.addBytes("crossShard", 7);
    const { bytesBy } = meter.summarise({ fromMs: 0, toMs: 1 });
    expect(bytesBy).toEqual({ consensus: 15, crossShard: 7 });
  });
});
