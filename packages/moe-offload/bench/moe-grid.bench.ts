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
import { STRATEGIES, type Strategy } from "../src/offload/strategies.ts";
import { judge } from "./grid/bars.ts";
import { type Cell, measureCell } from "./grid/cell.ts";
import { ALL_RESIDENT, GridBench } from "./grid/grid-bench.ts";
import { bestPossible, predict } from "./grid/predict.ts";
import { type CellResult, printCell } from "./grid/report.ts";
import { WORKLOADS, type Workload, type WorkloadName } from "./grid/workloads.ts";
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

const grid = new GridBench();
const chosen = new Map<string, Strategy>([["all-resident", ALL_RESIDENT]]);
for (const name of values.strategies.split(",")) {
  const strategy = STRATEGIES[name as keyof typeof STRATEGIES];
  if (!strategy) throw new Error(`no strategy ${name}`);
  chosen.set(name, strategy);
}
const results = runGrid();
const bars = judge(results, grid.calibration, grid.workload("prose", { rounds: 9, tokens: 480 }));
const report = { name: "moe-grid", machine: describeMachine(), rounds, tokens, results, bars };
if (values.out) writeFileSync(values.out, `${JSON.stringify(report, undefined, 1)}\n`);
if (values.json) process.stdout.write(`${JSON.stringify(report)}\n`);
else for (const bar of bars) say(`${bar.holds ? "holds " : "MISSED"}  ${bar.text}`);
grid.close();
process.exit(bars.every((bar) => bar.holds) ? 0 : 1);

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
        const workload =
          made.get(count) ??
          grid.workload(name as WorkloadName, { rounds: rounds + 1, tokens: count });
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
  const times = grid.computeTimes(cell.workload.rounds[0] ?? new Int32Array(1));
  const predicting = grid.predicting(times);
  const measured = measureCell(grid.model, cell, chosen, prng);
  const resident = measured.find(({ name }) => name === "all-resident");
  const computeMs = 1e3 / median(resident?.tokensPerSecond ?? []);
  const best = predict(predicting, cell, bestPossible(grid.model.layout.expertUsedCount));
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
