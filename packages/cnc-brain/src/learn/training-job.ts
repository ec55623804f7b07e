import { createPrng } from "@fmlab/sim";
import type { SchedulerName } from "../scheduling/names.ts";
import { createScheduler } from "../scheduling/registry.ts";
import type { Scheduler } from "../scheduling/scheduler.ts";
import { summarise } from "../simulator/summary.ts";
import { heuristicChooser, learnedScheduler } from "./learned-scheduler.ts";
import type { PolicyWeights } from "./policy-weights.ts";
import { collectLabels, collectRollouts, type RolloutOptions, type Samples } from "./rollout.ts";
import {
  boundOf,
  buildScenario,
  runScenario,
  type Scenario,
  type ScenarioSpec,
} from "./scenario.ts";
import { ServedPolicy } from "./served-policy.ts";
import { type ReserveRule, reserveTeacher } from "./teacher.ts";

/** A policy as data, for another thread. */
export type PolicySpec =
  | { kind: "baseline"; name: SchedulerName }
  | { kind: "learned"; weights: PolicyWeights }
  | { kind: "reserve"; rule: ReserveRule };

/** What a thread can be asked. */
export type TrainingJob =
  | { kind: "rollouts"; spec: ScenarioSpec; weights: PolicyWeights; options: RolloutOptions }
  | {
      kind: "labels";
      spec: ScenarioSpec;
      rule: ReserveRule;
      /** Who acts; undefined: the teacher itself. */
      weights: PolicyWeights | undefined;
      keep: number;
      seed: number;
    }
  | { kind: "evaluate"; spec: ScenarioSpec; policies: PolicySpec[]; withBound: boolean };

/** Answers, by the kind of job. */
export interface JobAnswers {
  rollouts: { samples: Samples; cost: number };
  labels: { samples: Samples };
  /** Mean cost of each policy, in their order; the bound is NaN where it was not asked for. */
  evaluate: { costs: number[]; bound: number; requests: number };
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
  const scenario = scenarioOf(job.spec);
  switch (job.kind) {
    case "rollouts":
      return collectRollouts(scenario, job.weights, job.options);
    case "labels": {
      const teacher = reserveTeacher(job.rule);
      const actor = job.weights === undefined ? teacher : new ServedPolicy(job.weights);
      return { samples: collectLabels(scenario, teacher, actor, job) };
    }
    case "evaluate": {
      const costs = job.policies.map((policy) => {
        const scheduler = schedulerOf(policy, job.spec.seed);
        return summarise(runScenario(scenario, scheduler)).placementCost;
      });
      const bound = job.withBound ? boundOf(scenario) : Number.NaN;
      return { costs, bound, requests: scenario.workload.trace.count };
    }
  }
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

function schedulerOf(policy: PolicySpec, seed: number): Scheduler {
  switch (policy.kind) {
    case "baseline":
      return createScheduler(policy.name, createPrng(seed, "schedulers"));
    case "learned":
      return learnedScheduler(new ServedPolicy(policy.weights));
    case "reserve":
      return learnedScheduler(
        policy.rule.share === 0 ? heuristicChooser : reserveTeacher(policy.rule),
      );
  }
}
