/**
 * How fast a large run is: generated transactions on 16 shards of 4 validators, every oracle on,
 * signatures elided at their cost, one execution a shard, 1 % of the blocks executed by every
 * validator and compared.
 *
 *     npm run bench -- shard-scale [--transactions N] [--protocol NAME] [--tps N] [--compare]
 *     [--json]
 *
 * `--compare` runs the same once more with every signature computed and every block executed by
 * every validator, and ends with 1 unless the state roots are the same. A million transactions need
 * a heap of 3.5 GB: NODE_OPTIONS=--max-old-space-size=3600.
 */
import { parseArgs } from "node:util";
import { throughputConfig } from "../src/definitions/throughput.ts";
import { type DeploymentOutcome, runDeployment } from "../src/runtime/run-deployment.ts";
import { buildSettings, planOf } from "../src/throughput-run/build-settings.ts";
import { createArrivals, readWorkload } from "../src/throughput-run/build-workload.ts";

const { values } = parseArgs({
  options: {
    transactions: { type: "string", default: "100000" },
    protocol: { type: "string", default: "relay" },
    tps: { type: "string", default: "6000" },
    compare: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
  },
});
const SEED = 1;
const config = throughputConfig.parse({
  protocol: values.protocol,
  shards: 16,
  validators: 4,
  transactions: Number(values.transactions),
  tps: Number(values.tps),
  replayMax: 0,
});

const fast = await measured(config);
const results = [fast.figures];
let areEqual = true;
if (values.compare) {
  const full = await measured({ ...config, signatures: "ed25519", execution: "every" });
  results.push(full.figures);
  areEqual = String(full.outcome.stateRoots) === String(fast.outcome.stateRoots);
}
const result = { name: "shard-scale", protocol: values.protocol, areEqual, results };
console.log(values.json ? JSON.stringify(result) : result);
process.exit(areEqual && fast.outcome.failures.length === 0 ? 0 : 1);

async function measured(
  run: typeof config,
): Promise<{ outcome: DeploymentOutcome; figures: Record<string, unknown> }> {
  const from = performance.now();
  const cpuFrom = process.cpuUsage();
  const ctx = { seed: SEED, resolveFile: async (path: string) => path };
  const { workload, timesS } = await readWorkload(ctx, run);
  const arrivals = createArrivals(run, timesS, SEED);
  const outcome = await runDeployment(
    buildSettings(run, { workload, arrivals }, SEED),
    planOf(run),
  );
  const cpu = process.cpuUsage(cpuFrom);
  const { summary, failures, verdicts } = outcome;
  const figures = {
    transactions: outcome.sentCount,
    signatures: run.signatures,
    execution: run.execution,
    seconds: (performance.now() - from) / 1_000,
    cpuSeconds: (cpu.user + cpu.system) / 1e6,
    rssMaxMB: process.resourceUsage().maxRSS / 1_000,
    eventsPerTransaction: outcome.events / outcome.sentCount,
    virtualSeconds: outcome.endMs / 1_000,
    goodputTps: summary.goodputTps,
    crossShardRatio: summary.crossShardRatio,
    abortRatio: summary.abortRatio,
    isDrained: outcome.isDrained,
    failed: failures.map(({ oracle }) => oracle),
    checkedBlocks: verdicts.find(({ oracle }) => oracle === "agreement")?.facts.checkedBlocks,
    traceHash: outcome.traceHash,
  };
  return { outcome, figures };
}
