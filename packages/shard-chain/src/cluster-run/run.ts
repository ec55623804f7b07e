import { ExperimentError, type RunContext, type Summary } from "@fmlab/experiment";
import { Cluster, freePorts } from "../cluster/cluster.ts";
import { buildSite, type ClusterPlan, countValidators } from "../cluster/cluster-site.ts";
import { type ClusterJudgement, judgeCluster } from "../cluster/judge-cluster.ts";
import { createMachine, machineMs } from "../cluster/machine.ts";
import type { ClusterConfig } from "../definitions/cluster.ts";
import { type ThroughputConfig, throughputConfig } from "../definitions/throughput.ts";
import { ShardChainError } from "../errors.ts";
import { FaultPlan } from "./faults.ts";
import { Heights } from "./heights.ts";
import { OverTime } from "./over-time.ts";
import { chainTable, criticalPathSeries, faultSeries, oracleTable } from "./pictures.ts";
import { predict } from "./predict.ts";

/** How often clients hand in what is due, ms. */
const TICK_MS = 20;
/** Nothing ends for so long: what is left waits for what never comes, or the run has failed, ms. */
const STALL_MS = 30_000;
/** Round trip between two processes of one machine, ms: what the prediction reckons with. */
const LOOPBACK_RTT_MS = 0.1;

/**
 * Runs `shard-chain.cluster`: processes, load, faults, and the verdict on what they left on disk.
 *
 * @throws ExperimentError `MISSING_FILE` | `FORBIDDEN_PATH` | `CANCELLED`
 * @throws ShardChainError `VALIDATOR_FAILED`; `ORACLE_FAILED` when the cluster broke a property
 */
export async function run(ctx: RunContext, config: ClusterConfig): Promise<Summary> {
  const plan = await planOf(ctx, config);
  const site = await buildSite(plan);
  const cluster = new Cluster(plan, site, createMachine(plan.zeroMs));
  const faults = new FaultPlan(cluster, config);
  const heights = new Heights(cluster);
  const overTime = new OverTime(cluster);
  const looks = [heights, overTime];
  let driven: Driven;
  try {
    await cluster.start();
    ctx.log(`${plan.ports.length - 1} validators listen, one process each`);
    driven = await drive(ctx, config, cluster, faults, looks);
    faults.end(cluster.nowMs());
  } finally {
    await cluster.stop();
  }
  const { window, isStalled } = driven;
  const judgement = judgeCluster(cluster, window, {
    replay: config.transactions <= config.replayMax,
    isStalled,
  });
  const { summary, verdicts } = judgement;
  const fairness = verdicts.find(({ oracle }) => oracle === "fairness");
  const numbers: Record<string, number | undefined> = {
    goodputTps: summary.goodputTps,
    offeredTps: summary.offeredTps,
    latencyMsP50: summary.latencyMs.p50?.ms,
    latencyMsP99: summary.latencyMs.p99?.ms,
    latencyMsP999: summary.latencyMs.p999?.ms,
    abortRatio: 100 * summary.abortRatio,
    crossShardRatio: 100 * summary.crossShardRatio,
    fairnessInversions: fairness?.facts.fairnessInversions,
    unfinished: summary.unfinished,
    blocks: judgement.heights.reduce((sum, height) => sum + height, 0),
    blocksDuringOutage: faults.blocksDuringOutage,
    catchUpMs: faults.catchUpMs,
    ...(config.predict ? await predict(ctx, plan, config) : {}),
  };
  for (const [name, value] of Object.entries(numbers)) {
    if (value !== undefined) ctx.metric(name, value);
  }
  ctx.series("overTime", overTime.series(faults.spans));
  ctx.series("heights", heights.series());
  ctx.series("criticalPath", criticalPathSeries(judgement, config.protocol));
  ctx.series("faults", faultSeries(cluster, faults));
  ctx.series("oracles", oracleTable(judgement, demanded(cluster)));
  ctx.series("chains", chainTable(cluster, judgement));
  ctx.note("signatures", "ed25519");
  const left = judgement.recorder.inFlightCount;
  if (left > 0) ctx.log(`${left} transactions had not ended when drainSeconds were over`);
  failIfUnsound(cluster, judgement);
  const { latencyMs } = summary;
  return {
    ...numbers,
    latencyMs: { p50: latencyMs.p50?.ms, p99: latencyMs.p99?.ms, p999: latencyMs.p999?.ms },
    stateRoots: judgement.stateRoots,
    isDrained: left === 0,
    oracles: Object.fromEntries(verdicts.map(({ oracle, passed }) => [oracle, { passed }])),
  };
}

async function planOf(ctx: RunContext, config: ClusterConfig): Promise<ClusterPlan> {
  const plan = {
    config: throughputConfigOf(config),
    proposeMs: config.proposeMs,
    seed: ctx.seed,
    datasetPath: config.dataset === "" ? "" : await ctx.resolveFile(config.dataset),
    folder: ctx.scratchDir,
    zeroMs: machineMs(),
  };
  const validators = await countValidators(plan);
  return { ...plan, ports: await freePorts(validators + 1) };
}

/** The same deployment and load for virtual time. */
function throughputConfigOf(config: ClusterConfig): ThroughputConfig {
  const shared = Object.entries(config).filter(([name]) => name in throughputConfig.shape);
  const network = { rttWithinMs: LOOPBACK_RTT_MS };
  return throughputConfig.parse({ ...Object.fromEntries(shared), network, signatures: "ed25519" });
}

/** Something that is looked at over time. */
type Look = Pick<Heights, "look">;

/** What became of the load. */
interface Driven {
  /** What is measured: from the warm-up to the last arrival. */
  readonly window: { readonly fromMs: number; readonly toMs: number };
  /** Something had not ended, and nothing did for `STALL_MS`; else there was no more time. */
  readonly isStalled: boolean;
}

/** Hands in the load, acts out the faults, and waits until all has ended everywhere. */
async function drive(
  ctx: RunContext,
  config: ClusterConfig,
  cluster: Cluster,
  faults: FaultPlan,
  looks: readonly Look[],
): Promise<Driven> {
  const startMs = cluster.nowMs();
  const acting = faults.act(startMs, ctx.signal);
  // Heard below; until then a failure must not end the process.
  acting.catch(() => undefined);
  const due = cluster.site.settings.arrivals[Symbol.iterator]();
  let next = due.next();
  let lastMs = startMs;
  while (!next.done) {
    const nowMs = cluster.nowMs() - startMs;
    const batch = [];
    while (!next.done && next.value.intendedMs <= nowMs) {
      lastMs = startMs + next.value.intendedMs;
      batch.push({ transaction: next.value.transaction, intendedMs: lastMs });
      next = due.next();
    }
    cluster.handIn(batch);
    await pace(ctx, config, cluster, looks);
  }
  await acting;
  const untilMs = cluster.nowMs() + 1_000 * config.drainSeconds;
  let left = cluster.inFlightCount;
  let stalledMs = cluster.nowMs() + STALL_MS;
  while (left > 0 && cluster.nowMs() < Math.min(untilMs, stalledMs)) {
    await pace(ctx, config, cluster, looks);
    if (cluster.inFlightCount < left) stalledMs = cluster.nowMs() + STALL_MS;
    left = cluster.inFlightCount;
  }
  const isStalled = left > 0 && cluster.nowMs() >= stalledMs;
  await faults.waitForAll(untilMs, () => pace(ctx, config, cluster, looks));
  const fromMs = startMs + config.warmupShare * (lastMs - startMs);
  return { window: { fromMs, toMs: lastMs }, isStalled };
}

async function pace(
  ctx: RunContext,
  { transactions }: ClusterConfig,
  cluster: Cluster,
  looks: readonly Look[],
): Promise<void> {
  if (ctx.signal.aborted) throw new ExperimentError("the run was cancelled", { code: "CANCELLED" });
  cluster.check();
  for (const one of looks) one.look();
  ctx.progress(cluster.arrivals.length - cluster.inFlightCount, transactions, "transactions ended");
  await cluster.sleep(TICK_MS);
}

function demanded({ site }: Cluster): (oracle: string) => boolean {
  const { promises } = site.settings.protocol;
  return (oracle) =>
    (oracle !== "serialisability" && oracle !== "fairness") || promises.has(oracle);
}

function failIfUnsound(cluster: Cluster, { verdicts }: ClusterJudgement): void {
  const isDemanded = demanded(cluster);
  const failures = verdicts.filter(({ passed, oracle }) => !passed && isDemanded(oracle));
  if (failures.length === 0) return;
  const oracles = failures.map(({ oracle, violations }) => ({
    oracle,
    what: violations[0]?.what ?? "",
  }));
  const said = oracles.map(({ oracle, what }) => `${oracle}: ${what}`).join(". ");
  const { name } = cluster.site.settings.protocol;
  throw new ShardChainError(`a cluster of ${name} broke what it must keep. ${said}`, {
    code: "ORACLE_FAILED",
    oracles,
  });
}
