import type { RunContext, Summary } from "@fmlab/experiment";
import { createPrng } from "@fmlab/sim";
import { AdaptiveScheduler, type EpochRecord } from "../adapt/adaptive-scheduler.ts";
import { Adwin } from "../adapt/adwin.ts";
import type { TwinWindow } from "../adapt/digital-twin.ts";
import type { DriftDetector } from "../adapt/drift.ts";
import { pageHinkley } from "../adapt/page-hinkley.ts";
import type { PolicyLearner } from "../adapt/policy-learner.ts";
import { SearchLearner } from "../adapt/search-learner.ts";
import { trainedCandidate } from "../adapt/trained-candidate.ts";
import type { AdaptConfig } from "../definitions/adapt.ts";
import { fixedKeepAlive } from "../keep-alive/fixed.ts";
import { parseWeights } from "../learn/policy-weights.ts";
import { readText } from "../read-file.ts";
import { createScheduler } from "../scheduling/registry.ts";
import type { Scheduler } from "../scheduling/scheduler.ts";
import type { SimulationResult } from "../simulator/result.ts";
import { simulate } from "../simulator/simulate.ts";
import { buildCluster, type Cluster, capacityOf } from "../workload/build-cluster.ts";
import { buildWorkload } from "../workload/build-workload.ts";
import { breathe, workloadSettings } from "../workload/run-settings.ts";
import type { Workload } from "../workload/workload.ts";
import { reportAdaptation } from "./adapt-report.ts";
import { plantShift, type ShiftedWorkload } from "./plan-shift.ts";

/** Weights of a policy made for a cluster without queues: near and warm, whoever waits there. */
const QUIET_WEIGHTS = [0.7, -4, 0, 0, 0, 0, 0, 0];
/** Requests and rounds of the reference's lessons. */
const REFERENCE = { requests: 4000, lessons: 2 };

/** A cluster, its requests, and the shift in them. */
export interface AdaptSetting {
  cluster: Cluster;
  workload: Workload;
  shifted: ShiftedWorkload;
  shiftMs: number;
  epochMs: number;
}

/**
 * Runs `cnc-brain.adapt`: the adaptive scheduler, its fall-back, its first candidate unchanged, and
 * a reference taught with the time after the shift, on the same requests.
 *
 * @throws ExperimentError `MISSING_FILE` | `FORBIDDEN_PATH` | `CANCELLED` | `BAD_CONFIG`
 */
export async function run(ctx: RunContext, config: AdaptConfig): Promise<Summary> {
  const setting = await makeSetting(ctx, config);
  const { shifted } = setting;
  ctx.log(`${shifted.trace.count} requests; ${shifted.note}`);
  const createFallback = () => createScheduler(config.fallback, createPrng(ctx.seed, "fallback"));
  const learner = await candidateOf(ctx, config);
  const frozen = learner.version();
  const epochs: EpochRecord[] = [];
  const adaptive = new AdaptiveScheduler(optionsOf(config, setting), {
    createFallback,
    learner,
    detectors: { cost: detectorsOf(config), traffic: detectorsOf(config) },
    rules: { allows: () => true },
    onEpoch: (epoch) => epochs.push(epoch),
  });
  const results: Record<string, SimulationResult> = {};
  const steps: [name: string, create: () => Scheduler][] = [
    ["adaptive", () => adaptive],
    ["fall-back", createFallback],
    ["unchanged", () => frozen.create()],
    ["hindsight", () => teachHindsight(ctx, setting)],
  ];
  for (const [i, [name, create]] of steps.entries()) {
    ctx.progress(i, steps.length, name);
    await breathe(ctx);
    results[name] = play(setting, create());
  }
  ctx.progress(steps.length, steps.length);
  return reportAdaptation(ctx, config, setting, { results, epochs, adaptive });
}

async function candidateOf(ctx: RunContext, config: AdaptConfig): Promise<PolicyLearner> {
  if (config.policyFile !== "") {
    const path = await ctx.resolveFile(config.policyFile);
    return trainedCandidate(parseWeights(readText(path), config.policyFile));
  }
  const start = config.startAt === "quiet" ? { start: QUIET_WEIGHTS } : {};
  return new SearchLearner(createPrng(ctx.seed, "learner"), start);
}

async function makeSetting(ctx: RunContext, config: AdaptConfig): Promise<AdaptSetting> {
  const network = { source: "built-in", file: "", name: "", fixedRttMs: 0 } as const;
  const cluster = buildCluster({ ...config, network, discipline: "fcfs" });
  const prng = createPrng(ctx.seed, "adapt");
  const settings = await workloadSettings(ctx, config, { dataShare: 0.2 });
  const target = {
    siteCount: cluster.network.siteNames.length,
    capacityCores: capacityOf(cluster.nodes),
    load: config.load,
    requestsMax: config.requestsMax,
  };
  const workload = buildWorkload(settings, target, prng.fork("workload"));
  const epochMs = config.epochSeconds * 1000;
  // On an epoch's edge, so that no epoch is half before and half after.
  const shiftMs = Math.ceil((config.shiftShare * workload.spanMs) / epochMs) * epochMs;
  const shift = { kind: config.shift, atMs: shiftMs, trafficFactor: config.trafficFactor };
  const shifted = plantShift(workload.trace, cluster, shift, prng.fork("shift"));
  return { cluster, workload, shifted, shiftMs, epochMs };
}

function optionsOf(config: AdaptConfig, { epochMs }: AdaptSetting) {
  const { alpha, minComparisons, maxComparisons, lossBudget } = config;
  return {
    epochMs,
    binMs: config.binSeconds * 1000,
    twinRequestsMax: config.twinRequests,
    twinWarmRequests: config.twinWarmRequests,
    blockRequests: config.blockRequests,
    gate: { alpha, minComparisons, maxComparisons, lossBudget },
  };
}

function detectorsOf({ detector, threshold }: AdaptConfig): DriftDetector[] {
  switch (detector) {
    case "page-hinkley":
      return [pageHinkley({ minValues: 10, delta: 0.1, threshold })];
    case "adwin":
      return [new Adwin()];
    case "none":
      return [];
  }
}

function play({ cluster, workload, shifted }: AdaptSetting, scheduler: Scheduler) {
  return simulate({
    nodes: cluster.nodes,
    network: cluster.network,
    functions: workload.functions,
    trace: shifted.trace,
    failures: shifted.failures,
    scheduler,
    keepAlive: fixedKeepAlive(),
  });
}

/** The learner's policy, taught with the requests after the shift as nobody could be before it. */
function teachHindsight(ctx: RunContext, setting: AdaptSetting): Scheduler {
  const { cluster, workload, shifted, shiftMs } = setting;
  const { trace, failures } = shifted;
  const up = new Uint8Array(cluster.nodes.length).fill(1);
  for (const { node } of failures) up[node] = 0;
  const requests: TwinWindow["requests"] = [...trace.arrivalMs.keys()]
    .filter((i) => (trace.arrivalMs[i] as number) >= shiftMs)
    .slice(0, REFERENCE.requests)
    .map((i) => ({
      arrivalMs: trace.arrivalMs[i] as number,
      functionIndex: trace.functionIndex[i] as number,
      site: trace.site[i] as number,
    }));
  const learner = new SearchLearner(createPrng(ctx.seed, "hindsight"));
  const countedFrom = Math.floor(requests.length / 20);
  for (let seed = 0; seed < REFERENCE.lessons && requests.length > 0; seed++) {
    learner.learn({
      nodes: cluster.nodes,
      functions: workload.functions,
      network: cluster.network,
      up,
      requests,
      countedFrom,
      seed,
      allows: () => true,
    });
  }
  return learner.version().create();
}
