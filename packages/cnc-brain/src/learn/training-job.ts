import { createPrng } from "@fmlab/sim";
import type { SchedulerName } from "../scheduling/names.ts";
import { createScheduler } from "../scheduling/registry.ts";
import type { Scheduler } from "../scheduling/scheduler.ts";
import { ClusterView } from "../simulator/cluster-view.ts";
import { summarise } from "../simulator/summary.ts";
import { ForkableCluster } from "./forkable-cluster.ts";
import { meanRttMs } from "./gate.ts";
import { indexChooser, learnedScheduler } from "./learned-scheduler.ts";
import { collectLookahead, type LookaheadOptions, type LookaheadSamples } from "./lookahead.ts";
import { optimumGap } from "./optimum-gap.ts";
import type { PlacementIndex } from "./placement-index.ts";
import type { PolicyWeights } from "./policy-weights.ts";
import { collectRollouts, type RolloutOptions, type Samples } from "./rollout.ts";
import {
  boundOf,
  buildScenario,
  runScenario,
  type Scenario,
  type ScenarioSpec,
} from "./scenario.ts";
import { ServedPolicy } from "./served-policy.ts";
import { timedBound } from "./timed-bound.ts";

/** A policy as data, for another thread. */
export type PolicySpec =
  | { kind: "baseline"; name: SchedulerName }
  | { kind: "learned"; weights: PolicyWeights }
  | { kind: "index"; index: PlacementIndex };

/** What a thread can be asked. */
export type TrainingJob =
  | { kind: "rollouts"; spec: ScenarioSpec; weights: PolicyWeights; options: RolloutOptions }
  | { kind: "lookahead"; spec: ScenarioSpec; weights: PolicyWeights; options: LookaheadOptions }
  | { kind: "small-cases"; indices: PlacementIndex[]; cases: number; seed: number }
  | { kind: "evaluate"; spec: ScenarioSpec; policies: PolicySpec[]; bound: BoundChoice };

/**
 * Which lower bound of the cost: none, the one with a price a node, or the tighter one with a price
 * a node and time, which takes a few seconds.
 */
export type BoundChoice = "none" | "priced" | "timed";

/** What policies cost on a scenario. */
export interface Evaluation {
  /** Mean cost of each policy, in their order. */
  costs: number[];
  /** With a price a node; NaN where no bound was asked for. */
  pricedBound: number;
  /** The highest bound that was asked for. */
  bound: number;
  requests: number;
  /** Mean round trip between sites and nodes. */
  rttMs: number;
}

/** Answers, by the kind of job. */
export interface JobAnswers {
  rollouts: { samples: Samples; cost: number };
  lookahead: LookaheadSamples;
  /** Cost over the optimum on small cases, of each index. */
  "small-cases": { ratios: number[] };
  evaluate: Evaluation;
}

/** Scenarios that are kept built; the oldest goes first. */
const SCENARIOS_KEPT = 64;
const built = new Map<string, Scenario>();

/**
 * Does a job. The same job gives the same answer in any thread.
 *
 * @throws CncError for files that cannot be read
 */
export function doTrainingJob(job: TrainingJob): JobAnswers[TrainingJob["kind"]] {
  if (job.kind === "small-cases") {
    const { indices, cases, seed } = job;
    const ratios = indices.map((index) =>
      optimumGap(() => learnedScheduler(indexChooser(index)), cases, seed),
    );
    return { ratios };
  }
  const scenario = scenarioOf(job.spec);
  switch (job.kind) {
    case "rollouts":
      return collectRollouts(scenario, job.weights, job.options);
    case "lookahead":
      return collectLookahead(scenario, job.weights, job.options);
    case "evaluate":
      return evaluate(scenario, job);
  }
}

function evaluate(
  scenario: Scenario,
  { policies, bound }: { policies: readonly PolicySpec[]; bound: BoundChoice },
): Evaluation {
  const { cluster, workload, warmupMs } = scenario;
  const costs = policies.map((policy) => costUnder(scenario, policy));
  const priced = bound === "none" ? Number.NaN : boundOf(scenario);
  const view = new ClusterView(cluster.nodes, workload.functions, cluster.network);
  const window = { fromMs: warmupMs, toMs: workload.spanMs };
  const timed =
    bound === "timed" ? timedBound(view, workload.trace, window, Math.min(...costs)) : 0;
  return {
    costs,
    pricedBound: priced,
    bound: Math.max(priced, timed),
    requests: workload.trace.count,
    rttMs: meanRttMs(view),
  };
}

function scenarioOf(spec: ScenarioSpec): Scenario {
  const key = JSON.stringify(spec);
  let scenario = built.get(key);
  if (scenario === undefined) {
    scenario = buildScenario(spec);
    const [oldest] = built.keys();
    if (built.size >= SCENARIOS_KEPT && oldest !== undefined) built.delete(oldest);
    built.set(key, scenario);
  }
  return scenario;
}

function costUnder(scenario: Scenario, policy: PolicySpec): number {
  const scheduler = schedulerOf(policy, scenario.spec.seed);
  if (policy.kind === "baseline") return summarise(runScenario(scenario, scheduler)).placementCost;
  // The same to the last bit in less than half the time.
  const cluster = new ForkableCluster(scenario);
  cluster.run((requests, view) => scheduler.placeBatch?.(requests, view) ?? []);
  return cluster.countedCost();
}

function schedulerOf(policy: PolicySpec, seed: number): Scheduler {
  switch (policy.kind) {
    case "baseline":
      return createScheduler(policy.name, createPrng(seed, "schedulers"));
    case "learned":
      return learnedScheduler(new ServedPolicy(policy.weights));
    case "index":
      return learnedScheduler(indexChooser(policy.index));
  }
}
