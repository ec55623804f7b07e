import { type AnyExperiment, parseConfig } from "@fmlab/experiment";
import { describe, expect, it } from "vitest";
import { saturation } from "../../src/definitions/saturation.ts";
import { throughput } from "../../src/definitions/throughput.ts";
import { RecordContext } from "./record-context.ts";

const SMALL = { shards: 2, transactions: 40, tps: 40, blockIntervalMs: 300, warmupShare: 0 };

describe("shard-chain.throughput", () => {
  it("tells what the issue of a sharded run asks for, and draws every picture", async () => {
    const { ctx, summary } = await runOf(throughput, SMALL);
    expect(summary).toMatchObject({
      abortRatio: 0,
      latencyMs: { p50: expect.any(Number), p99: expect.any(Number), p999: expect.any(Number) },
      fairnessInversions: expect.any(Number),
      traceHash: expect.stringMatching(/^[0-9a-f]{32}$/),
      oracles: {
        agreement: { passed: true },
        conservation: { passed: true },
        replay: { passed: true, isPromised: true },
      },
    });
    expect(summary.goodputTps).toBeGreaterThan(0);
    expect([...ctx.pictures.keys()].sort()).toEqual(
      throughput.views.map(({ series }) => series).sort(),
    );
  });

  it("does the same again on the same seed, and something else on another", async () => {
    const [one, again, other] = await Promise.all(
      [1, 1, 2].map((seed) => runOf(throughput, SMALL, seed)),
    );
    expect(again?.summary).toEqual(one?.summary);
    expect(other?.summary.traceHash).not.toBe(one?.summary.traceHash);
  });

  it("answers sooner where chains do not make their blocks in step", async () => {
    const calm = { burstShare: 0, callShare: 0, headAccounts: 2_000, zipfExponent: 0 };
    const config = {
      ...SMALL,
      shards: 4,
      transactions: 200,
      blockIntervalMs: 1_000,
      generator: calm,
    };
    const meanMs = async (blockPhases: string) => {
      const runs = await Promise.all(
        [1, 2, 3].map((seed) => runOf(throughput, { ...config, blockPhases }, seed)),
      );
      return runs.reduce((sum, { summary }) => sum + Number(summary.latencyMsP50) / 3, 0);
    };
    // In step, what one chain tells another has just missed a block: a whole interval is lost.
    expect(await meanMs("spread")).toBeLessThan((await meanMs("together")) - 300);
  });

  it("stops when the run is cancelled", async () => {
    const ctx = new RecordContext(throughput, undefined);
    ctx.controller.abort();
    const { run } = await throughput.load();
    await expect(run(ctx, parseConfig(throughput, SMALL))).rejects.toThrow(/cancelled/);
  });
});

describe("shard-chain.saturation", () => {
  it("finds a load that is kept up with and one that is not", async () => {
    const { ctx, summary } = await runOf(saturation, {
      protocols: ["relay"],
      shardCounts: [2],
      blockItems: 30,
      blockIntervalMs: 500,
      seconds: 5,
      startTps: 30,
      maxTps: 240,
      precision: 0.5,
    });
    // Two chains, 30 items each 0.5 s, three items for two relayed transactions of four.
    expect(summary.sustainedTps).toBeGreaterThanOrEqual(30);
    expect(summary.sustainedTps).toBeLessThan(120);
    expect(ctx.points.get("sustainedTps relay 2")).toBe(summary.sustainedTps);
    expect([...ctx.pictures.keys()].sort()).toEqual(
      saturation.views.map(({ series }) => series).sort(),
    );
  });
});

async function runOf(definition: AnyExperiment, config: object, seed = 1) {
  const ctx = new RecordContext(definition, undefined, seed);
  const { run } = await definition.load();
  return { ctx, summary: await run(ctx, parseConfig(definition, config)) };
}
