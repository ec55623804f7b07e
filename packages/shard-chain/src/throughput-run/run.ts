import { ExperimentError, type RunContext, type Summary } from "@fmlab/experiment";
import type { ThroughputConfig } from "../definitions/throughput.ts";
import { EvmRunner } from "../ledger/evm-runner.ts";
import { type DeploymentOutcome, runDeployment } from "../runtime/run-deployment.ts";
import { buildSettings, planOf } from "./build-settings.ts";
import { createArrivals, readWorkload } from "./build-workload.ts";
import { LockGraph } from "./lock-graph.ts";
import { OverTime } from "./over-time.ts";
import { failIfUnsound, reportThroughput } from "./report.ts";

/** Looking for locks walks through all states; larger runs do without. */
const LOCKS_LOOKED_AT_MAX = 50_000;

/**
 * Runs `shard-chain.throughput`. The same config and seed give the same summary, the simulator's
 * own speed aside.
 *
 * @throws ExperimentError `MISSING_FILE` | `FORBIDDEN_PATH` | `CANCELLED`
 * @throws ShardChainError for data sets and settings that do not do; `ORACLE_FAILED` when the run
 *         broke a property that its protocol promises
 */
export async function run(ctx: RunContext, config: ThroughputConfig): Promise<Summary> {
  const startMs = ctx.nowMs();
  const overTime = new OverTime();
  const lockGraph = new LockGraph();
  const outcome = await runOnce(ctx, config, async (state) => {
    overTime.add(state);
    if (config.transactions <= LOCKS_LOOKED_AT_MAX) lockGraph.look(state);
    const share = Math.min(state.sent, config.transactions);
    ctx.progress(share - state.inFlight, config.transactions, "transactions ended");
    await breathe(ctx);
  });
  const realSeconds = (ctx.nowMs() - startMs) / 1_000;
  ctx.metric("eventsPerSecond", outcome.events / realSeconds);
  ctx.series("overTime", overTime.series(outcome.deployment.settings.crashes));
  ctx.series("locks", lockGraph.series());
  ctx.series("lockGraph", lockGraph.matrix());
  const rival = await runRival(ctx, config);
  const summary = reportThroughput(ctx, outcome, config, rival);
  failIfUnsound(outcome);
  if (rival !== undefined) failIfUnsound(rival);
  return summary;
}

/** The second protocol, if any: the same seed, so the same transactions at the same moments. */
async function runRival(
  ctx: RunContext,
  config: ThroughputConfig,
): Promise<DeploymentOutcome | undefined> {
  const { versus } = config;
  if (versus === "none") return undefined;
  ctx.log(`the same load on ${versus}`);
  return runOnce(ctx, { ...config, protocol: versus }, () => breathe(ctx));
}

/** One deployment from config to outcome; contracts get a runner where the workload has any. */
export async function runOnce(
  ctx: Pick<RunContext, "seed" | "resolveFile">,
  config: ThroughputConfig,
  watch: Parameters<typeof runDeployment>[2],
): Promise<DeploymentOutcome> {
  const { workload, timesS } = await readWorkload(ctx, config);
  const arrivals = createArrivals(config, timesS, ctx.seed);
  const hasContracts = config.dataset === "" && config.workload === "swaps";
  const contracts = hasContracts ? await EvmRunner.create() : undefined;
  try {
    const settings = buildSettings(config, { workload, arrivals }, ctx.seed, contracts);
    return await runDeployment(settings, planOf(config), watch);
  } finally {
    await contracts?.close();
  }
}

/**
 * Lets the platform's messages in between two parts of a long computation.
 *
 * @throws ExperimentError `CANCELLED`
 */
export async function breathe(ctx: RunContext): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
  if (ctx.signal.aborted) {
    throw new ExperimentError("the run was cancelled", { code: "CANCELLED" });
  }
}
