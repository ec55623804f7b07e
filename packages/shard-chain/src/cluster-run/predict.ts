import type { RunContext } from "@fmlab/experiment";
import { createPrng } from "@fmlab/sim";
import { mean } from "@fmlab/stats";
import { hostCosts } from "../calibration/host-costs.ts";
import { type ClusterPlan, settingsOf } from "../cluster/cluster-site.ts";
import type { ClusterConfig } from "../definitions/cluster.ts";
import { runDeployment } from "../runtime/run-deployment.ts";
import { spreadStarts } from "../throughput-run/build-settings.ts";

/** How often the prediction draws when chains start: processes do not start in step. */
const DRAWS = 5;

/** What virtual time expects of a cluster. */
export interface Prediction {
  readonly predictedGoodputTps: number;
  /** Mean over the draws; absent where no transaction was committed in one. */
  readonly predictedLatencyMsP50: number | undefined;
}

/**
 * The same load in virtual time, by the costs of this machine where they were measured, on as many
 * cores as it has, shared by all validators.
 */
export async function predict(
  ctx: RunContext,
  plan: ClusterPlan,
  config: ClusterConfig,
): Promise<Prediction> {
  const measured = hostCosts();
  ctx.note("costs", measured ? `${measured.cpuModel}, ${measured.measuredOn}` : "reference");
  const draws = [];
  for (let draw = 0; draw < DRAWS; draw++) draws.push(await predictOnce(ctx, plan, config, draw));
  const medians = draws.flatMap(({ latencyMs }) => latencyMs.p50?.ms ?? []);
  return {
    predictedGoodputTps: mean(draws.map(({ goodputTps }) => goodputTps)),
    predictedLatencyMsP50: medians.length === DRAWS ? mean(medians) : undefined,
  };
}

async function predictOnce(
  ctx: RunContext,
  plan: ClusterPlan,
  { transactions, tps, warmupShare, drainSeconds, blockIntervalMs }: ClusterConfig,
  draw: number,
) {
  const settings = await settingsOf(plan);
  const starts = createPrng(plan.seed, "predicted starts").fork(draw);
  const chains = settings.shards + (settings.protocol.committees?.length ?? 0);
  const { summary, deployment, isDrained } = await runDeployment(
    {
      ...settings,
      startsMs: spreadStarts(chains, blockIntervalMs, starts),
      costs: { ...settings.costs, ...hostCosts()?.costsMs },
      machineCores: ctx.machine.cpuCount,
      signatures: "elided",
      replay: false,
    },
    {
      warmupMs: (warmupShare * 1_000 * transactions) / tps,
      drainMs: 1_000 * drainSeconds,
      stallMs: 1_000 * drainSeconds,
    },
  );
  if (!isDrained) {
    const left = deployment.recorder.inFlightCount;
    ctx.log(`the prediction says little: in virtual time ${left} transactions never ended`);
  }
  return summary;
}
