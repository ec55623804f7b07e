import type { RunContext, Summary } from "@fmlab/experiment";
import { createPrng } from "@fmlab/sim";
import { AdaptiveScheduler, type EpochRecord } from "../adapt/adaptive-scheduler.ts";
import { Adwin } from "../adapt/adwin.ts";
import { DemandMigrator } from "../adapt/demand-migrator.ts";
import type { TwinWindow } from "../adapt/digital-twin.ts";
import type { DriftDetector } from "../adapt/drift.ts";
import { FineTuneLearner } from "../adapt/fine-tune-learner.ts";
import { pageHinkley } from "../adapt/page-hinkley.ts";
import type { PolicyLearner } from "../adapt/policy-learner.ts";
import { SearchLearner } from "../adapt/search-learner.ts";
import { trainedCandidate } from "../adapt/trained-candidate.ts";
import type { AdaptConfig } from "../definitions/adapt.ts";
import { type Explanation, explainDecision } from "../governance/explain.ts";
import { fixedKeepAlive } from "../keep-alive/fixed.ts";
import { chooseBackEnd } from "../learn/backend.ts";
import { parseWeights, untrainedWeights } from "../learn/policy-weights.ts";
import { readText } from "../read-file.ts";
import { createScheduler } from "../scheduling/registry.ts";
import type { Scheduler } from "../scheduling/scheduler.ts";
import type { SimulationResult } from "../simulator/result.ts";
import { type SimulationOptions, simulate, simulatePausing } from "../simulator/simulate.ts";
import type { TransferModel } from "../simulator/specs.ts";
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
/** Decisions of the adaptive scheduler that are explained, about. */
const EXPLAINED = 20;
/** How moves are planned; chosen. */
const MOVES = { everyMs: 20_000, horizonMs: 60_000, movesMax: 20, keepMs: 300_000 };

/** A cluster, its requests, and the shift in them. */
export interface AdaptSetting {
  cluster: Cluster;
  workload: Workload;
  shifted: ShiftedWorkload;
  shiftMs: number;
  epochMs: number;
  transfers: TransferModel;
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
  const explanations: Explanation[] = [];
  const adaptive = new AdaptiveScheduler(optionsOf(config, setting), {
    createFallback,
    learner,
    detectors: { cost: detectorsOf(config), traffic: detectorsOf(config) },
    rules: { allows: () => true },
    onEpoch: (epoch) => epochs.push(epoch),
  });
  const results: Record<string, SimulationResult> = {};
  const steps: [name: string, play: () => SimulationResult | Promise<SimulationResult>][] = [
    ["adaptive", () => playAdaptive(setting, adaptive, { config, explanations })],
    ["fall-back", () => play(setting, createFallback())],
    ["unchanged", () => play(setting, frozen.create())],
    ["hindsight", () => play(setting, teachHindsight(ctx, setting))],
  ];
  for (const [i, [name, playStep]] of steps.entries()) {
    ctx.progress(i, steps.length, name);
    await breathe(ctx);
    results[name] = await playStep();
  }
  ctx.progress(steps.length, steps.length);
  return reportAdaptation(ctx, config, setting, { results, epochs, adaptive, explanations });
}

async function candidateOf(ctx: RunContext, config: AdaptConfig): Promise<PolicyLearner> {
  const trained = config.policyFile !== "" ? await readPolicy(ctx, config.policyFile) : undefined;
  if (config.fineTune) {
    await chooseBackEnd({ note: (key, value) => ctx.note(key, value) });
    const weights = trained ?? untrainedWeights(createPrng(ctx.seed, "untrained"));
    return new FineTuneLearner(weights, createPrng(ctx.seed, "fine-tune"));
  }
  if (trained !== undefined) return trainedCandidate(trained);
  const start = config.startAt === "quiet" ? { start: QUIET_WEIGHTS } : {};
  return new SearchLearner(createPrng(ctx.seed, "learner"), start);
}

async function readPolicy(ctx: RunContext, file: string) {
  return parseWeights(readText(await ctx.resolveFile(file)), file);
}

async function makeSetting(ctx: RunContext, config: AdaptConfig): Promise<AdaptSetting> {
  const network = { source: "built-in", file: "", name: "", fixedRttMs: 0 } as const;
  const cluster = buildCluster({ ...config, network, discipline: "fcfs" });
  const prng = createPrng(ctx.seed, "adapt");
  const settings = await workloadSettings(ctx, config, { dataShare: 0.2, jobs: config.jobs });
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
  return { cluster, workload, shifted, shiftMs, epochMs, transfers: config.transfers };
}

function optionsOf(config: AdaptConfig, { epochMs }: AdaptSetting) {
  const { alpha, minComparisons, maxComparisons, lossBudget } = config;
  return {
    epochMs,
    binMs: config.binSeconds * 1000,
    binRequests: config.binRequests,
    twinDraws: config.twinDraws,
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

function play(setting: AdaptSetting, scheduler: Scheduler): SimulationResult {
  return simulate(simulationOf(setting, scheduler));
}

/** With lessons that go on beside it, and with moves; some decisions are explained. */
function playAdaptive(
  setting: AdaptSetting,
  adaptive: AdaptiveScheduler,
  { config, explanations }: { config: AdaptConfig; explanations: Explanation[] },
): Promise<SimulationResult> {
  const migrator = new DemandMigrator({ ...MOVES, allows: () => true });
  const every = Math.ceil(setting.shifted.trace.count / EXPLAINED);
  const options: SimulationOptions = {
    ...simulationOf(setting, adaptive),
    ...(config.migrate && { migrator }),
    onDecision: (request, decision, view) => {
      migrator.observe(request, view);
      if (request.id % every !== every - 1) return;
      explanations.push(explainDecision(request, view, adaptive, decision));
    },
  };
  return simulatePausing(options, () => adaptive.lesson);
}

function simulationOf(
  { cluster, workload, shifted, transfers }: AdaptSetting,
  scheduler: Scheduler,
): SimulationOptions {
  return {
    nodes: cluster.nodes,
    network: cluster.network,
    functions: workload.functions,
    trace: shifted.trace,
    failures: shifted.failures,
    scheduler,
    keepAlive: fixedKeepAlive(),
    transfers,
    registrySite: cluster.registrySite,
  };
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
