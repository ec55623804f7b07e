/**
 * The grid of the learned policy: three topologies, loads 0.5 to 0.9, at least five seeds, Azure
 * 2019 in FMLAB_DATA_DIR; 12 nodes, then 128. Gate on the validation part of the trace's time,
 * verdict on the test part, against all baselines and the bound; small cases against the optimum.
 *
 * Policies are given as files (artifacts of `cnc-brain.train`, preset three-topologies).
 *
 *     node --import tsx bench/cnc-learned.bench.ts --policy FILE [--policy FILE] [--seeds 8]
 *       [--loads 0.5,0.6,0.7,0.8,0.9] [--requests 8000] [--nodes 12,128] [--threads 2] [--json]
 */
import { readFileSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { createPrng } from "@fmlab/sim";
import { judgeCells } from "../src/learn/gate.ts";
import { learnedScheduler } from "../src/learn/learned-scheduler.ts";
import { optimumGap } from "../src/learn/optimum-gap.ts";
import { parseWeights } from "../src/learn/policy-weights.ts";
import { gridOf, type ScenarioSource, type Window } from "../src/learn/scenario-sets.ts";
import { ServedPolicy } from "../src/learn/served-policy.ts";
import { TrainingPool } from "../src/learn/training-pool.ts";
import { judgeGrid } from "../src/learn/verdict.ts";
import { measureGrid } from "../src/train-run/measure-grid.ts";

/** Cost over the exact optimum that small cases may have. */
const OPTIMUM_BAR = 1.1;
const SMALL_CASES = 200;
const VALIDATION: Window = { fromMinute: 864, toMinute: 1152 };
const TEST: Window = { fromMinute: 1152, toMinute: 1440 };

const { values } = parseArgs({
  options: {
    policy: { type: "string", multiple: true, default: [] },
    seeds: { type: "string", default: "8" },
    loads: { type: "string", default: "0.5,0.6,0.7,0.8,0.9" },
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
  const weights = values.policy.map((file) => parseWeights(readFileSync(file, "utf8"), file));
  const pool = new TrainingPool(Number(values.threads));
  try {
    let isMet = true;
    for (const nodeCount of values.nodes.split(",").map(Number)) {
      isMet = (await judgeSize(pool, sourceIn(data), weights, nodeCount)) && isMet;
    }
    for (const one of weights) {
      const ratio = optimumGap(() => learnedScheduler(new ServedPolicy(one)), SMALL_CASES, 1);
      const verdict = ratio <= OPTIMUM_BAR ? "met" : "missed";
      process.stdout.write(`small cases: ${ratio.toFixed(3)} x the optimum, bar ${verdict}\n`);
      isMet &&= ratio <= OPTIMUM_BAR;
    }
    if (!isMet) process.exitCode = 1;
  } finally {
    await pool.close();
  }
}

async function judgeSize(
  pool: TrainingPool,
  source: ScenarioSource,
  weights: Parameters<typeof measureGrid>[2],
  nodeCount: number,
): Promise<boolean> {
  const loads = values.loads.split(",").map(Number);
  const measure = (part: "validate" | "test", window: Window) => {
    const grid = { part, loads, seeds: Number(values.seeds), nodeCount };
    const specs = gridOf(source, window, grid, createPrng(1, part));
    return measureGrid(pool, specs, weights, { withBound: part === "test" });
  };
  const validation = await measure("validate", VALIDATION);
  const tests = await measure("test", TEST);
  const verdicts = tests.map((costs, k) => judgeGrid(costs, judgeCells(validation[k] ?? [])));
  verdicts.forEach((verdict, k) => {
    const { cells, worseCells, cellsClosed, cellsWithGap, isMet } = verdict;
    if (values.json) {
      process.stdout.write(`${JSON.stringify({ policy: k, nodeCount, verdict })}\n`);
      return;
    }
    const cheaper = cells.filter(({ cost, bestCost }) => cost < bestCost).length;
    console.table(
      cells.map(({ cell, best, isLearned, bestCost, cost, ungatedCost, boundCost, ...rest }) => ({
        cell,
        best,
        acts: isLearned ? "learned" : "fall-back",
        "best cost": round(bestCost),
        ours: round(cost),
        ungated: round(ungatedCost),
        bound: round(boundCost),
        closed: round(rest.closed),
        "p (Holm)": round(rest.pHolm),
      })),
    );
    process.stdout.write(
      `${nodeCount} nodes, policy ${k}: cheaper in ${cheaper} of ${cells.length} cells, worse in ` +
        `${worseCells}, a third closed in ${cellsClosed} of ${cellsWithGap} with a gap: ` +
        `${isMet ? "met" : "missed"}\n`,
    );
  });
  return verdicts.every(({ isMet }) => isMet);
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
