/**
 * Every strategy on the shipped model: workloads x budgets x links, real transfers from host memory
 * over an emulated link, tokens per second of interleaved rounds, beside the replayer's prediction,
 * the bound max(compute, missed bytes / link) and Belady's eviction with perfect prefetch.
 *
 *     node --import tsx bench/moe-grid.bench.ts [--json] [--out FILE] [--rounds 7] [--tokens 48]
 *       [--workloads prose,sampled,greedy] [--budgets 25,50,75] [--links 100,400,1600,3200]
 *
 * Ends with 1 when a bar on the teacher-forced rows is missed; `bars.ts` has them.
 */
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { createPrng } from "@fmlab/sim";
import { mean, median } from "@fmlab/stats";
import { obtainCalibration } from "../src/calibration/obtain.ts";
import { describeModel } from "../src/model/description.ts";
import { expertLayout } from "../src/model/expert-layout.ts";
import { OffloadedModel, type OffloadOptions } from "../src/offload/offloaded-model.ts";
import { STRATEGIES, type Strategy } from "../src/offload/strategies.ts";
import { measureComputeTimes } from "../src/planner/measure-times.ts";
import { NO_HOST_TIER } from "../src/tiers/host-tier.ts";
import { FREE_LINK } from "../src/tiers/link-schedule.ts";
import { MonotonicClock } from "../src/tiers/monotonic-clock.ts";
import { Tokenizer } from "../src/tokenizer/tokenizer.ts";
import { judge } from "./grid/bars.ts";
import { type Cell, type GridModel, measureCell } from "./grid/cell.ts";
import { bestPossible, type PredictModel, predict } from "./grid/predict.ts";
import { type CellResult, printCell } from "./grid/report.ts";
import {
  CONTEXT_TOKENS,
  makeWorkload,
  WORKLOADS,
  type Workload,
  type WorkloadName,
} from "./grid/workloads.ts";
import { openBenchModel } from "./model.ts";
import { describeMachine } from "./paired.ts";

const { values } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    out: { type: "string" },
    rounds: { type: "string", default: "7" },
    tokens: { type: "string", default: "48" },
    workloads: { type: "string", default: WORKLOADS.join() },
    budgets: { type: "string", default: "25,50,75" },
    links: { type: "string", default: "100,400,1600,3200" },
    strategies: { type: "string", default: Object.keys(STRATEGIES).join() },
  },
});
const numbers = (text: string) => text.split(",").map(Number);
const rounds = Number(values.rounds);
/** Per round on a link of up to 200 MB/s. */
const tokens = Number(values.tokens);
const say = (text: string) => {
  if (!values.json) process.stdout.write(`${text}\n`);
};

const ALL_RESIDENT: Strategy = {
  policy: "all-resident",
  predictor: "none",
  prefetch: { control: "off", width: 0, depth: 1 },
  readyFirst: false,
};

const file = openBenchModel();
const model = describeModel(file);
const layout = expertLayout(file, model);
const tokenizer = new Tokenizer(file);
const totalBytes = layout.classes.reduce(
  (sum, { expertBytes, layers }) => sum + layers.length * layout.expertCount * expertBytes,
  0,
);
const base: OffloadOptions = {
  strategy: ALL_RESIDENT,
  budgetBytes: totalBytes,
  host: NO_HOST_TIER,
  link: FREE_LINK,
  disk: FREE_LINK,
  threads: 1,
  contextLength: model.contextLength,
  clock: new MonotonicClock(),
  cancelFlag: new Int32Array(new SharedArrayBuffer(4)),
};
const { calibration } = obtainCalibration(file, layout, base, {
  tokenCount: 12_288,
  firstToken: tokenizer.bosToken ?? 0,
  throwIfCancelled: () => {},
});
const grid: GridModel = { file, layout, calibration, contextLength: CONTEXT_TOKENS, totalBytes };
const chosen = new Map<string, Strategy>([["all-resident", ALL_RESIDENT]]);
for (const name of values.strategies.split(",")) {
  const strategy = STRATEGIES[name as keyof typeof STRATEGIES];
  if (!strategy) throw new Error(`no strategy ${name}`);
  chosen.set(name, strategy);
}
const results = runGrid();
const bars = judge(results, calibration, makeWorkloadOf("prose", 9, 480));
const report = { name: "moe-grid", machine: describeMachine(), rounds, tokens, results, bars };
if (values.out) writeFileSync(values.out, `${JSON.stringify(report, undefined, 1)}\n`);
if (values.json) process.stdout.write(`${JSON.stringify(report)}\n`);
else for (const bar of bars) say(`${bar.holds ? "holds " : "MISSED"}  ${bar.text}`);
file.close();
process.exit(bars.every((bar) => bar.holds) ? 0 : 1);

function makeWorkloadOf(name: string, roundCount: number, tokenCount: number): Workload {
  const resident = OffloadedModel.open(file, layout, { ...base, aheadDepth: 3 });
  const size = { rounds: roundCount, tokens: tokenCount };
  const made = makeWorkload(name as WorkloadName, resident.engine, tokenizer, size);
  resident.close();
  return made;
}

/** Rounds of about equal duration: more tokens on faster links. */
function tokensAt(bandwidthMBps: number): number {
  return Math.round(tokens * Math.max(1, bandwidthMBps / 133));
}

function runGrid(): CellResult[] {
  const done: CellResult[] = [];
  const prng = createPrng(1, "order");
  for (const name of values.workloads.split(",")) {
    const made = new Map<number, Workload>();
    for (const percent of numbers(values.budgets)) {
      for (const bandwidthMBps of numbers(values.links)) {
        const count = tokensAt(bandwidthMBps);
        const workload = made.get(count) ?? makeWorkloadOf(name, rounds + 1, count);
        made.set(count, workload);
        const link = { bandwidthMBps, latencyUs: 0, queueDepth: 1 };
        const cell: Cell = { workload, share: percent / 100, link };
        const result = runCell(cell, prng.fork(`${workload.name} ${percent} ${bandwidthMBps}`));
        say(printCell(result));
        done.push(result);
      }
    }
  }
  return done;
}

function runCell(cell: Cell, prng: ReturnType<typeof createPrng>): CellResult {
  // Compute times are measured beside each cell, since the machine's speed drifts.
  const predicting: PredictModel = {
    calibration,
    times: measureComputeTimes(file, layout, {
      threads: 1,
      contextLength: grid.contextLength,
      rounds: 4,
      tokens: cell.workload.rounds[0] ?? new Int32Array(1),
      nowMs: () => performance.now(),
      cancelFlag: base.cancelFlag,
    }),
    expertBytes: layout.expertBytes,
    slotsOfAll: layout.moeLayers.length * layout.expertCount,
  };
  const measured = measureCell(grid, cell, chosen, prng);
  const resident = measured.find(({ name }) => name === "all-resident");
  const computeMs = 1e3 / median(resident?.tokensPerSecond ?? []);
  const best = predict(predicting, cell, bestPossible(layout.expertUsedCount));
  return {
    workload: cell.workload.name,
    source: cell.workload.source,
    percent: cell.share * 100,
    linkMBps: cell.link.bandwidthMBps,
    computeMs,
    bestPossible: best.tokensPerSecond,
    strategies: measured.map((one) => {
      const linkMs = one.bytesPerToken / (cell.link.bandwidthMBps * 1e3);
      const strategy = chosen.get(one.name) ?? ALL_RESIDENT;
      const isResident = strategy.policy === "all-resident";
      return {
        ...one,
        meanTokensPerSecond: mean(one.tokensPerSecond),
        bound: 1e3 / Math.max(computeMs, linkMs),
        predicted: isResident ? null : predict(predicting, cell, strategy).tokensPerSecond,
      };
    }),
  };
}
