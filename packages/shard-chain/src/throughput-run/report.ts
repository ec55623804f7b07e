import type { RunContext, SeriesInput, Summary } from "@fmlab/experiment";
import type { ThroughputConfig } from "../definitions/throughput.ts";
import { ShardChainError } from "../errors.ts";
import type { RunSummary } from "../measurement/run-meter.ts";
import type { DeploymentOutcome } from "../runtime/run-deployment.ts";
import {
  chainTable,
  criticalPathSeries,
  latencySeries,
  oracleTable,
  remarksText,
  sequenceSeries,
  trafficSeries,
} from "./pictures.ts";
import { sideBySide } from "./side-by-side.ts";

type Sink = Pick<RunContext, "metric" | "series" | "note" | "log">;

/**
 * Tells a run's numbers and pictures, and sums it up.
 *
 * @param rival another protocol on the same seed, drawn beside it
 */
export function reportThroughput(
  ctx: Sink,
  outcome: DeploymentOutcome,
  config: ThroughputConfig,
  rival?: DeploymentOutcome,
): Summary {
  const numbers = numbersOf(outcome);
  tell(ctx, numbers, {});
  const draw = (name: string, seriesOf: (one: DeploymentOutcome) => SeriesInput) => {
    const series = seriesOf(outcome);
    const names = [config.protocol, config.versus] as const;
    ctx.series(name, rival === undefined ? series : sideBySide(series, seriesOf(rival), names));
  };
  draw("latencyCdf", latencySeries);
  draw("criticalPath", criticalPathSeries);
  draw("sequence", sequenceSeries);
  ctx.series("oracles", oracleTable(outcome));
  ctx.series("traffic", trafficSeries(outcome));
  ctx.series("chains", chainTable(outcome));
  ctx.series("remarks", remarksText(outcome, config));
  ctx.note("signatures", config.signatures);
  ctx.note("execution", config.execution);
  ctx.note("traceHash", outcome.traceHash);
  ctx.note("costsMs", JSON.stringify(outcome.deployment.settings.costs));
  const versus = rival && { ...numbersOf(rival), ...summaryOf(rival) };
  if (rival !== undefined) tell(ctx, numbersOf(rival), { protocol: config.versus });
  return { ...numbers, ...summaryOf(outcome), ...(versus && { versus }) };
}

function tell(
  ctx: Sink,
  numbers: Record<string, number | undefined>,
  axes: { protocol?: string },
): void {
  for (const [name, value] of Object.entries(numbers)) {
    if (value !== undefined) ctx.metric(name, value, axes);
  }
}

/** The parts of a summary that are no metrics. */
export function summaryOf(outcome: DeploymentOutcome): Summary {
  const { latencyMs } = outcome.summary;
  return {
    latencyMs: { p50: latencyMs.p50?.ms, p99: latencyMs.p99?.ms, p999: latencyMs.p999?.ms },
    traceHash: outcome.traceHash,
    stateRoots: outcome.stateRoots,
    oracles: Object.fromEntries(
      outcome.verdicts.map(({ oracle, passed, violationCount }) => [
        oracle,
        { passed, violationCount, isPromised: isPromised(outcome, oracle) },
      ]),
    ),
    isDrained: outcome.isDrained,
    sent: outcome.sentCount,
    endMs: outcome.endMs,
  };
}

/** Whether an oracle's verdict decides over the run. */
export function isPromised({ deployment }: DeploymentOutcome, oracle: string): boolean {
  const { promises } = deployment.settings.protocol;
  return (oracle !== "serialisability" && oracle !== "fairness") || promises.has(oracle);
}

/**
 * A run that broke what its protocol promises is a failed run.
 *
 * @throws ShardChainError `ORACLE_FAILED` saying what, where and by whom
 */
export function failIfUnsound({ failures, deployment }: DeploymentOutcome): void {
  if (failures.length === 0) return;
  const { name } = deployment.settings.protocol;
  const oracles = failures.map(({ oracle, violations }) => ({
    oracle,
    what: violations[0]?.what ?? "",
  }));
  const said = failures.map(
    ({ oracle, violationCount }, i) => `${oracle} (${violationCount}): ${oracles[i]?.what}`,
  );
  throw new ShardChainError(
    `${name} broke what it must keep. ${said.join(". ")}. The same config and seed show it again`,
    { code: "ORACLE_FAILED", oracles },
  );
}

/** A run's numbers under the names of the metrics; undefined where there is nothing to tell. */
export function numbersOf(outcome: DeploymentOutcome): Record<string, number | undefined> {
  const { summary, heights, sentCount } = outcome;
  const fairness = outcome.verdicts.find(({ oracle }) => oracle === "fairness");
  return {
    goodputTps: summary.goodputTps,
    offeredTps: summary.offeredTps,
    ...latencies(summary),
    consensusRounds: summary.consensusRoundsMean,
    abortRatio: 100 * summary.abortRatio,
    failureRatio: 100 * summary.failureRatio,
    retryRatio: summary.retryRatio,
    crossShardRatio: 100 * summary.crossShardRatio,
    fairnessInversions: fairness?.facts.fairnessInversions,
    unfinished: summary.unfinished,
    blocks: heights.reduce((sum, height) => sum + height, 0),
    messageBytesPerTx: bytesOf(summary) / Math.max(1, sentCount),
  };
}

function latencies({ latencyMs }: RunSummary): Record<string, number | undefined> {
  return {
    latencyMsP50: latencyMs.p50?.ms,
    latencyMsP90: latencyMs.p90?.ms,
    latencyMsP99: latencyMs.p99?.ms,
    latencyMsP999: latencyMs.p999?.ms,
  };
}

function bytesOf({ bytesBy }: RunSummary): number {
  return Object.values(bytesBy).reduce((sum, bytes) => sum + bytes, 0);
}
