/**
 * The grid of the learned policy: three topologies, loads 0.5 to 0.9, at least five seeds, Azure
 * 2019 in FMLAB_DATA_DIR; 12 nodes, then 128. The gate and each cell's fall-back are chosen on the
 * selection part of the trace's time, the verdict is on the test part, against all baselines and
 * two lower bounds; small cases against their optimum.
 *
 * Policies are given as files (artifacts of `cnc-brain.train`, preset three-topologies). A gate in
 * the file is used as it is; without one it is made from the selection part, and `--write-gate`
 * writes the policy again with it. `--series` takes workloads that nobody has seen.
 *
 *     node --import tsx bench/cnc-learned.bench.ts --policy FILE [--policy FILE] [--seeds 8]
 *       [--selection-seeds 12] [--series 3] [--loads 0.5,0.6,0.7,0.8,0.9] [--requests 8000]
 *       [--nodes 12,128] [--baselines all] [--threads 2] [--write-gate FILE] [--json]
 */
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { createPrng } from "@fmlab/sim";
import { type GateVerdict, gateOf, judgeCells, nearestCell } from "../src/learn/gate.ts";
import { learnedScheduler } from "../src/learn/learned-scheduler.ts";
import { optimumGap } from "../src/learn/optimum-gap.ts";
import { type PolicyWeights, parseWeights, serialiseWeights } from "../src/learn/policy-weights.ts";
import { gridOf, type ScenarioSource, type Window } from "../src/learn/scenario-sets.ts";
import { ServedPolicy } from "../src/learn/served-policy.ts";
import { TrainingPool } from "../src/learn/training-pool.ts";
import {
  type CellVerdict,
  CLOSED_MIN,
  GAP_MIN,
  type GridVerdict,
  judgeGrid,
} from "../src/learn/verdict.ts";
import { SCHEDULER_NAMES, type SchedulerName } from "../src/scheduling/names.ts";
import { type MeasuredGrid, measureGrid } from "../src/train-run/measure-grid.ts";

/** Cost over the exact optimum that small cases may have. */
const OPTIMUM_BAR = 1.1;
const SMALL_CASES = 200;
const NO_CELL = { isLearned: true, fallback: "min-cost-flow" } as const;
const SELECTION: Window = { fromMinute: 864, toMinute: 1152 };
const TEST: Window = { fromMinute: 1152, toMinute: 1440 };

const { values } = parseArgs({
  options: {
    policy: { type: "string", multiple: true, default: [] },
    seeds: { type: "string", default: "8" },
    loads: { type: "string", default: "0.5,0.6,0.7,0.8,0.9" },
    "selection-seeds": { type: "string", default: "12" },
    series: { type: "string", default: "3" },
    baselines: { type: "string", default: "all" },
    "write-gate": { type: "string" },
    requests: { type: "string", default: "8000" },
    nodes: { type: "string", default: "12,128" },
    threads: { type: "string", default: "2" },
    json: { type: "boolean", default: false },
  },
});

async function main(): Promise<void> {
  const data = process.env.FMLAB_DATA_DIR;
  if (data === undefined || values.policy.length === 0) {
    process.stdout.write("needs FMLAB_DATA_DIR and --policy FILE; nothing was measured\n");
    return;
  }
  const policies = values.policy.map((file) => parseWeights(readFileSync(file, "utf8"), file));
  const pool = new TrainingPool(Number(values.threads));
  const source = sourceIn(data);
  try {
    const [firstSize = 12, ...sizes] = values.nodes.split(",").map(Number);
    const grid = await measure(pool, source, policies, { part: "test", nodeCount: firstSize });
    const gates = await gatesOf(pool, source, policies, { nodeCount: firstSize, grid });
    let isMet = report(grid, gates, firstSize);
    for (const nodeCount of sizes) {
      const large = await measure(pool, source, policies, { part: "test", nodeCount });
      isMet = report(large, gates, nodeCount) && isMet;
    }
    for (const one of policies) {
      const { gate: _, ...ungated } = one;
      const ratio = optimumGap(() => learnedScheduler(new ServedPolicy(ungated)), SMALL_CASES, 1);
      const verdict = ratio <= OPTIMUM_BAR ? "met" : "missed";
      process.stdout.write(`small cases: ${ratio.toFixed(3)} x the optimum, bar ${verdict}\n`);
      isMet &&= ratio <= OPTIMUM_BAR;
    }
    if (!isMet) process.exitCode = 1;
  } finally {
    await pool.close();
  }
}

function measure(
  pool: TrainingPool,
  source: ScenarioSource,
  policies: readonly PolicyWeights[],
  { part, nodeCount }: { part: "validate" | "test"; nodeCount: number },
): Promise<MeasuredGrid> {
  const series = Number(values.series);
  const isTest = part === "test";
  const seeds = Number(isTest ? values.seeds : values["selection-seeds"]);
  const loads = values.loads.split(",").map(Number);
  const grid = { part, loads, seeds, nodeCount, series };
  const specs = gridOf(source, isTest ? TEST : SELECTION, grid, createPrng(series, part));
  const isAll = values.baselines === "all";
  const baselines = isAll ? SCHEDULER_NAMES : (values.baselines.split(",") as SchedulerName[]);
  return measureGrid(pool, specs, policies, { bound: isTest ? "timed" : "none", baselines });
}

/** From the policy's file, or from the selection part of the trace. */
async function gatesOf(
  pool: TrainingPool,
  source: ScenarioSource,
  policies: readonly PolicyWeights[],
  { nodeCount, grid }: { nodeCount: number; grid: MeasuredGrid },
): Promise<GateVerdict[][]> {
  if (policies.every(({ gate }) => gate !== undefined)) {
    return policies.map(({ gate = [] }) =>
      [...grid.places].map(([cell, place]) => {
        const { isLearned, fallback } = nearestCell(gate, place) ?? NO_CELL;
        return { cell, fallback, isLearned, advantage: Number.NaN, ratioLnLow: Number.NaN };
      }),
    );
  }
  const selection = await measure(pool, source, policies, { part: "validate", nodeCount });
  const gates = selection.costs.map((costs) => judgeCells(costs));
  const file = values["write-gate"];
  const [first] = policies;
  if (file !== undefined && first !== undefined) {
    const gate = gateOf(gates[0] ?? [], selection.places);
    writeFileSync(file, serialiseWeights({ ...first, gate }));
  }
  return gates;
}

function report(grid: MeasuredGrid, gates: readonly GateVerdict[][], nodeCount: number): boolean {
  const verdicts = grid.costs.map((costs, k) => judgeGrid(costs, gates[k] ?? []));
  verdicts.forEach((verdict, policy) => {
    if (values.json) {
      process.stdout.write(`${JSON.stringify({ policy, nodeCount, verdict })}\n`);
      return;
    }
    const bounds = new Map(gates[policy]?.map((gate) => [gate.cell, gate.ratioLnLow]));
    console.table(
      verdict.cells.map((cell) => ({
        ...rowOf(cell),
        "gate: ln ratio at least": round(bounds.get(cell.cell) ?? Number.NaN),
      })),
    );
    process.stdout.write(`${nodeCount} nodes, policy ${policy}: ${sentenceOf(verdict)}\n`);
  });
  return verdicts.every(({ isMet }) => isMet);
}

function rowOf(cell: CellVerdict) {
  return {
    cell: cell.cell,
    best: cell.best,
    acts: cell.isLearned ? "learned" : "fall-back",
    "best cost": round(cell.bestCost),
    ours: round(cell.cost),
    "gain, 95 %": `${round(cell.gain.low)} to ${round(cell.gain.high)}`,
    ungated: round(cell.ungatedCost),
    bound: round(cell.boundCost),
    closed: round(cell.closed),
    "priced bound": round(cell.pricedBoundCost),
    "closed of that": round(cell.pricedClosed),
    "p (Holm)": round(cell.pHolm),
  };
}

function sentenceOf(verdict: GridVerdict): string {
  const { cells, worseCells, cellsClosed, cellsWithGap, isMet } = verdict;
  const cheaper = cells.filter(({ cost, bestCost }) => cost < bestCost).length;
  const ungated = cells.filter(({ ungatedCost, bestCost }) => ungatedCost < bestCost).length;
  const open = cells.filter(({ isLearned }) => isLearned).length;
  const loose = cells.filter(({ pricedGap }) => pricedGap > GAP_MIN);
  const looseClosed = loose.filter(({ pricedClosed }) => pricedClosed >= CLOSED_MIN).length;
  return (
    `gate open in ${open} of ${cells.length} cells, cheaper in ${cheaper} (ungated ${ungated}), ` +
    `worse in ${worseCells}; a third closed in ${cellsClosed} of ${cellsWithGap} with a gap ` +
    `(priced bound: ${looseClosed} of ${loose.length}): ${isMet ? "met" : "missed"}`
  );
}

function sourceIn(data: string): ScenarioSource {
  const at = (...parts: string[]) => path.join(data, ...parts);
  const none = { file: "", name: "", fixedRttMs: 0 };
  const zoo = at("network", "topology-zoo-graphml.tar.gz");
  const matrix = at("network", "aws_region_rtt_ms.json");
  return {
    topologies: [
      { name: "built-in", network: { ...none, source: "built-in" } },
      { name: "Geant2012", network: { ...none, source: "topology", file: zoo, name: "Geant2012" } },
      { name: "AWS regions", network: { ...none, source: "rtt-matrix", file: matrix } },
    ],
    requestsMax: Number(values.requests),
    workload: {
      source: "azure-2019",
      trace: {
        invocations: at("serverless", "azure2019_600_inv.csv.gz"),
        durations: "",
        memory: "",
      },
      fromMinute: 0,
      minutes: 20,
      functions: 100,
      perDayMax: 1.15e6,
      durations: "published",
      spread: "exponential",
      durationMsMax: 60_000,
      tenants: 4,
      sloFactor: 3,
      sloSlackMs: 500,
      dataShare: 0.2,
      jobs: 0,
    },
  };
}

function round(value: number): number {
  return Number(value.toPrecision(3));
}

// Not at the top level: benches are loaded by `require` too.
void main();
