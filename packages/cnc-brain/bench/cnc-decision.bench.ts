/**
 * How long a decision of the served policy takes at 128 nodes: a whole one after one node changed
 * (features, forward pass, choice), and one for which all nodes are encoded again.
 *
 * Real states: the policy runs a scenario, and each decision is timed twice. Weights do not matter
 * for time; they are drawn.
 *
 * Bars: p99 under 200 us incrementally, under 1 ms in full.
 *
 *     node --import tsx bench/cnc-decision.bench.ts [--json] [--nodes 128] [--requests 20000]
 */
import { parseArgs } from "node:util";
import { createPrng } from "@fmlab/sim";
import { DecisionFrame, emptyRound } from "../src/learn/decision-frame.ts";
import { sizeOf, TENSOR_NAMES, untrainedWeights } from "../src/learn/policy-weights.ts";
import { buildScenario, runScenario } from "../src/learn/scenario.ts";
import { ServedPolicy } from "../src/learn/served-policy.ts";
import { latencyGreedy } from "../src/scheduling/latency-greedy.ts";
import { quantileOf } from "../src/simulator/summary.ts";

const BAR_US = { incremental: 200, full: 1000 } as const;
const { values } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    nodes: { type: "string", default: "128" },
    requests: { type: "string", default: "20000" },
  },
});

const weights = untrainedWeights(createPrng(1));
for (const name of TENSOR_NAMES) {
  const draw = createPrng(1, name);
  weights[name] = Float32Array.from({ length: sizeOf(name) }, () => draw.normal(0, 0.3));
}
// Every part of the index at work: prices, worths, a reserve and waiting for containers.
weights.index = Float32Array.of(0.12, 0.1, 0.01, -1.1, 1.2, 0.2, -0.4, 1.3, 0.25, 0.05, 1, 1.5);
const scenario = buildScenario({
  cell: "bench",
  network: { source: "built-in", file: "", name: "", fixedRttMs: 0 },
  nodeCount: Number(values.nodes),
  load: 0.7,
  seed: 1,
  requestsMax: Number(values.requests),
  workload: {
    source: "generated",
    trace: { invocations: "", durations: "", memory: "" },
    fromMinute: 0,
    minutes: 20,
    functions: 100,
    perDayMax: 1e6,
    durations: "published",
    spread: "exponential",
    durationMsMax: 60_000,
    tenants: 4,
    sloFactor: 3,
    sloSlackMs: 500,
    dataShare: 0.2,
    jobs: 0,
  },
});
const policy = new ServedPolicy(weights);
const times = { incremental: [] as number[], full: [] as number[] };
let frame: DecisionFrame | undefined;
let isFull = false;
const base = latencyGreedy();
runScenario(scenario, {
  name: "timed",
  place(request, view) {
    frame ??= new DecisionFrame(view, weights.index);
    const round = emptyRound(view.nodeCount);
    // In turn, so that both see the same states.
    isFull = !isFull;
    if (isFull) {
      policy.forget();
      frame.version.fill(-1);
    }
    const start = process.hrtime.bigint();
    frame.encode(request, round);
    policy.choose(frame);
    const us = Number(process.hrtime.bigint() - start) / 1000;
    times[isFull ? "full" : "incremental"].push(us);
    const placed = base.place(request, view) as number;
    frame.onPlaced(request, placed);
    return placed;
  },
});
const rows = (["incremental", "full"] as const).map((what) => {
  // The first tenth warms the compiler up.
  const kept = Float64Array.from(times[what].slice(times[what].length / 10)).sort();
  const p99 = quantileOf(kept, 0.99);
  return { what, p50us: quantileOf(kept, 0.5), p99us: p99, barUs: BAR_US[what] };
});
if (values.json) process.stdout.write(`${JSON.stringify(rows)}\n`);
else console.table(rows);
if (rows.some(({ p99us, barUs }) => p99us > barUs)) process.exitCode = 1;
