import { readFileSync } from "node:fs";
import type { RunContext, Summary } from "@fmlab/experiment";
import { createPrng } from "@fmlab/sim";
import type { ScheduleConfig } from "../definitions/schedule.ts";
import { badFile } from "../errors.ts";
import { AuditLog } from "../governance/audit-log.ts";
import { type Explanation, explainDecision } from "../governance/explain.ts";
import { PolicySet, parsePolicies } from "../governance/policies.ts";
import { type PolicyWeights, parseWeights } from "../learn/policy-weights.ts";
import { hindsightBound } from "../scheduling/hindsight-bound.ts";
import { pricedBound } from "../scheduling/priced-bound.ts";
import { ClusterView } from "../simulator/cluster-view.ts";
import { buildCluster, capacityOf } from "../workload/build-cluster.ts";
import { buildWorkload } from "../workload/build-workload.ts";
import { breathe, workloadSettings } from "../workload/run-settings.ts";
import {
  type ComparedName,
  type DecisionWatch,
  drawFailures,
  type PolicyRun,
  runPolicy,
  type Setting,
} from "./compare-policies.ts";
import { reportSchedule, tellPolicy } from "./schedule-report.ts";

/**
 * Runs `cnc-brain.schedule`: every policy on the same cluster, requests and outages. The same
 * config and seed give the same summary, decision latencies aside.
 *
 * @throws ExperimentError `MISSING_FILE` | `FORBIDDEN_PATH` | `CANCELLED` | `BAD_CONFIG`
 * @throws CncError for files and settings that do not do
 */
export async function run(ctx: RunContext, config: ScheduleConfig): Promise<Summary> {
  const setting = await buildSetting(ctx, config);
  const { cluster, workload } = setting;
  ctx.log(`${workload.trace.count} requests of ${workload.functions.length} functions`);
  const runs: PolicyRun[] = [];
  const names: ComparedName[] = [...config.schedulers];
  if (setting.learned !== undefined) names.push("learned");
  for (const [i, name] of names.entries()) {
    ctx.progress(i, names.length, name);
    await breathe(ctx);
    const done = runPolicy(setting, name, ctx);
    tellPolicy(ctx, done);
    runs.push(done);
  }
  const view = new ClusterView(cluster.nodes, workload.functions, cluster.network);
  const window = { fromMs: setting.warmupMs, toMs: workload.spanMs };
  const bound = {
    responseMsMean: hindsightBound(view, workload.trace).responseMsMean,
    placementCost: pricedBound(view, workload.trace, window).placementCost,
  };
  const best = runs.reduce((least, one) =>
    one.summary.placementCost < least.summary.placementCost ? one : least,
  );
  await breathe(ctx);
  const { explanations, log } = watchAgain(setting, best, config);
  if (log !== undefined) {
    const bytes = new TextEncoder().encode(log.toJsonLines());
    await ctx.artifact(`audit-${best.name}.jsonl`, bytes, "application/jsonl");
    ctx.note("auditHead", log.head);
  }
  ctx.progress(runs.length, runs.length);
  return reportSchedule(ctx, { setting, runs, best, bound, explanations, auditHead: log?.head });
}

async function buildSetting(ctx: RunContext, config: ScheduleConfig): Promise<Setting> {
  const { network } = config;
  const usesFile = network.source === "topology" || network.source === "rtt-matrix";
  const file = usesFile ? await ctx.resolveFile(network.file) : "";
  const cluster = buildCluster({ ...config, network: { ...network, file } });
  const { sloFactor, sloSlackMs, dataShare, jobs } = config;
  const settings = await workloadSettings(ctx, config, { sloFactor, sloSlackMs, dataShare, jobs });
  const prng = createPrng(ctx.seed, "schedule");
  const target = {
    siteCount: cluster.network.siteNames.length,
    capacityCores: capacityOf(cluster.nodes),
    load: config.load,
    requestsMax: config.requestsMax,
  };
  const workload = buildWorkload(settings, target, prng.fork("workload"));
  const { spanMs } = workload;
  return {
    cluster,
    workload,
    policies: new PolicySet(
      await readPolicies(ctx, config.policiesFile),
      cluster.network.siteNames,
    ),
    failures: drawFailures(
      cluster.nodes,
      config.outagesPerNodeHour,
      config.outageSeconds * 1000,
      spanMs,
      prng.fork("outages"),
    ),
    transfers: config.transfers,
    keepAlive: config.keepAlive,
    keepMs: config.keepMinutes * 60_000,
    retriesMax: config.retries,
    snapshotEveryMs: config.snapshotEveryMs,
    warmupMs: config.warmupShare * spanMs,
    quota: config.quota,
    seed: ctx.seed,
    ...(config.policyWeights !== "" && { learned: await readWeights(ctx, config.policyWeights) }),
  };
}

async function readWeights(ctx: RunContext, path: string): Promise<PolicyWeights> {
  return parseWeights(readFileSync(await ctx.resolveFile(path), "utf8"), path);
}

async function readPolicies(ctx: RunContext, path: string) {
  if (path === "") return [];
  const text = readFileSync(await ctx.resolveFile(path), "utf8");
  try {
    return parsePolicies(JSON.parse(text));
  } catch (error) {
    if (error instanceof SyntaxError) throw badFile(path, undefined, `no JSON: ${error.message}`);
    throw error;
  }
}

/** The best policy once more, with its decisions explained and, if asked for, logged. */
function watchAgain(
  setting: Setting,
  best: PolicyRun,
  config: ScheduleConfig,
): { explanations: Explanation[]; log: AuditLog | undefined } {
  const explanations: Explanation[] = [];
  const log = config.audit ? new AuditLog() : undefined;
  // Spread over the run, so that full and empty moments are among them.
  const every = Math.max(1, Math.floor(best.result.decisionCount / (config.explain + 1)));
  let count = 0;
  const watch: DecisionWatch = (request, decision, view, scheduler) => {
    count++;
    if (explanations.length < config.explain && count % every === 0) {
      const { policies } = setting;
      explanations.push(explainDecision(request, view, scheduler, decision, { policies }));
    }
    log?.append(view.nowMs, "placed", {
      request: request.id,
      function: view.fn(request.functionIndex).name,
      tenant: view.fn(request.functionIndex).tenant,
      scheduler: scheduler.name,
      node: typeof decision === "number" ? decision : decision.join("|"),
      attempt: request.attempt,
      snapshotAgeMs: view.nowMs - view.takenAtMs,
    });
  };
  if (config.explain > 0 || config.audit) runPolicy(setting, best.name, undefined, watch);
  return { explanations, log };
}
