/**
 * How fast the replayer is, on one core: hits without time, miss curves, and timed replays with and
 * without prefetching. Traces of the shipped model's and of Qwen1.5-MoE's shape are generated.
 *
 * CPU time of the process is counted, not wall time, so that a busy machine disturbs less.
 *
 * Bars: LRU's hits at least a million token-layers/s, timed replays at least 200,000.
 *
 *     node --import tsx bench/moe-replay.bench.ts [--json] [--rounds N] [--tokens N]
 */
import { parseArgs } from "node:util";
import { createPrng } from "@fmlab/sim";
import type { RoutingShape } from "../src/offload/routing.ts";
import { STRATEGIES, type StrategyName } from "../src/offload/strategies.ts";
import { belady } from "../src/policies/belady.ts";
import { lru } from "../src/policies/lru.ts";
import { uniformTimes } from "../src/replay/compute-times.ts";
import { TraceFuture } from "../src/replay/future.ts";
import { countHits } from "../src/replay/hits.ts";
import { lruMissCurves } from "../src/replay/miss-curves.ts";
import { replayBestPossible, replayStrategy } from "../src/replay/strategy-replay.ts";
import { generateTrace } from "../src/traces/generator.ts";
import { SHIPPED_MODEL_DIALS } from "../src/traces/generator-options.ts";
import { MODEL_SHAPES } from "../src/traces/model-shapes.ts";
import { logNormalPopularity } from "../src/traces/popularity.ts";
import type { Trace } from "../src/traces/trace.ts";

const HITS_BAR = 1e6;
const TIMED_BAR = 2e5;
/** The shipped model's; only the ratio to the link matters here. */
const EXPERT_BYTES = 104_448;

const { values } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    rounds: { type: "string", default: "7" },
    tokens: { type: "string", default: "20000" },
  },
});
const rounds = Number(values.rounds);

/** One thing that is measured. */
interface Row {
  shape: string;
  what: string;
  tokenLayersPerSecond: number;
  bar: number;
}

const SHIPPED: RoutingShape = {
  layerCount: 8,
  expertCount: 32,
  expertUsedCount: 4,
  moeLayers: [0, 1, 2, 3, 4, 5, 6, 7],
};
const rows = [
  ...measureShape("shipped model (8 x 32, top-4)", SHIPPED),
  ...measureShape("Qwen1.5-MoE (24 x 60, top-4)", MODEL_SHAPES["qwen1.5-moe-a2.7b"].routing),
];
report(rows);

function measureShape(name: string, shape: RoutingShape): Row[] {
  const layers = shape.moeLayers.length;
  const tokenCount = Math.ceil((Number(values.tokens) * 8) / layers);
  const beforeMs = cpuMs();
  const trace = generateTrace({
    ...SHIPPED_MODEL_DIALS,
    model: name,
    shape,
    tokenCount,
    seed: 1,
    date: "",
    popularity: logNormalPopularity(shape, 0.4, ["prose"], createPrng(1)),
    sequenceTokens: 500,
    aheadDepth: 1,
    hasProbabilities: true,
  });
  const generatedPerSecond = (tokenCount * layers * 1e3) / (cpuMs() - beforeMs);
  const row = (what: string, bar: number, run: () => void): Row => ({
    shape: name,
    what,
    bar,
    tokenLayersPerSecond: (tokenCount * layers * 1e3) / bestMs(run),
  });
  const slotCount = (layers * shape.expertCount) / 2;
  const knowledge = { future: new TraceFuture(trace) };
  return [
    { shape: name, what: "generate", tokenLayersPerSecond: generatedPerSecond, bar: 0 },
    row("hits of LRU at 50 %", HITS_BAR, () => countHits(trace, { policy: lru, slotCount })),
    row("hits of Belady at 50 %", 0, () =>
      countHits(trace, { policy: belady, slotCount, knowledge }),
    ),
    row("LRU's miss curves, all sizes", 0, () => lruMissCurves(trace)),
    ...timedRows(trace, row),
  ];
}

function timedRows(trace: Trace, row: (what: string, bar: number, run: () => void) => Row): Row[] {
  const { expertCount, moeLayers } = trace.shape;
  const machine = {
    budgetBytes: (EXPERT_BYTES * moeLayers.length * expertCount) / 2,
    expertBytes: () => EXPERT_BYTES,
    link: { bandwidthMBps: 400, latencyUs: 20, queueDepth: 1 },
    times: uniformTimes(trace.shape, { attentionMs: 0.03, expertMs: 0.012, headMs: 0.12 }),
  };
  const names: StrategyName[] = ["load-on-demand", "lru", "mixtral-offloading", "fate"];
  return [
    ...names.map((name) =>
      row(`timed, ${name} at 50 %`, TIMED_BAR, () => {
        replayStrategy(trace, STRATEGIES[name], machine);
      }),
    ),
    row("timed, Belady with perfect prefetch", 0, () => replayBestPossible(trace, machine)),
  ];
}

/** Shortest of the rounds, the first of which warms the compiler up. */
function bestMs(run: () => void): number {
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < rounds; round++) {
    const beforeMs = cpuMs();
    run();
    best = Math.min(best, cpuMs() - beforeMs);
  }
  return best;
}

function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e3;
}

function report(all: readonly Row[]): void {
  if (values.json) {
    process.stdout.write(`${JSON.stringify(all)}\n`);
    return;
  }
  for (const { shape, what, bar, tokenLayersPerSecond } of all) {
    const speed = `${(tokenLayersPerSecond / 1e6).toFixed(2)} M token-layers/s`;
    const verdict = bar === 0 ? "" : tokenLayersPerSecond >= bar ? "  meets" : "  MISSES";
    const barText = bar === 0 ? "" : `${verdict} ${bar / 1e6} M`;
    process.stdout.write(
      `${shape.padEnd(30)} ${what.padEnd(38)} ${speed.padStart(26)}${barText}\n`,
    );
  }
}
