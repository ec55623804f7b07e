import type { Prng } from "@fmlab/sim";
import { PolicyNetwork } from "./policy-network.ts";
import { type PolicyWeights, untrainedWeights } from "./policy-weights.ts";
import { PolicyTrainer, type PpoOptions, type UpdateReport } from "./ppo.ts";
import type { Samples } from "./rollout.ts";
import type { ScenarioSpec } from "./scenario.ts";
import { drawTraining, type ScenarioSource, type Window } from "./scenario-sets.ts";
import { RESERVE_RULES, type ReserveRule } from "./teacher.ts";
import type { TrainingPool } from "./training-pool.ts";

/** How long and on what a policy learns. */
export interface TrainingOptions {
  /** Scenarios on which teachers are compared and imitated. */
  teacherScenarios: number;
  imitationEpochs: number;
  /** Rounds of PPO. */
  iterations: number;
  /** Scenarios a round. */
  scenarios: number;
  /** Runs of a scenario, over the same requests. */
  rollouts: number;
  /** Decisions of a run that are learned from. */
  keep: number;
  horizonMs: number;
  lambdaPerSecond: number;
  /** Rounds between two evaluations. */
  evaluateEvery: number;
  ppo: PpoOptions;
}

/** One evaluation of the policy as it is. */
export interface CurvePoint {
  iteration: number;
  /** Mean cost on the selection scenarios over the heuristic's on the same. */
  costRatio: number;
  report: UpdateReport | undefined;
}

/** A policy and how it came about. */
export interface TrainedPolicy {
  /** The best evaluated ones, not the last. */
  weights: PolicyWeights;
  /** The teachers' costs over the heuristic's: the best of each scenario, and the best one rule. */
  teacherRatio: number;
  ruleRatio: number;
  imitationLoss: number[];
  curve: CurvePoint[];
}

/** What training needs from outside. */
export interface TrainingParts {
  pool: TrainingPool;
  source: ScenarioSource;
  window: Window;
  options: TrainingOptions;
  prng: Prng;
  /** Called after each part; throws to end the training. */
  onProgress: (done: number, total: number, what: string) => Promise<void>;
}

/**
 * Trains one policy over all topologies, loads and sizes: imitation of the best teacher of each
 * scenario, then PPO against runs over the same requests. All scenarios, those that select the
 * checkpoint too, are from the training window. The same seed gives the same policy on the same
 * back end, whatever the number of threads.
 */
export async function trainPolicy(parts: TrainingParts): Promise<TrainedPolicy> {
  const { source, window, options, prng, onProgress } = parts;
  const draw = prng.fork("scenarios");
  const scenarios = Array.from({ length: options.teacherScenarios }, (_, k) =>
    drawTraining(source, window, draw.fork(`teacher ${k}`)),
  );
  const total = options.iterations + 2;
  const { rules, heuristicCosts, ...ratios } = await chooseTeachers(parts.pool, scenarios);
  await onProgress(1, total, "teachers");
  const network = new PolicyNetwork(untrainedWeights(prng.fork("weights")));
  const trainer = new PolicyTrainer(network, options.ppo);
  try {
    const imitationLoss = await imitateTeacher(parts, trainer, scenarios, rules);
    await onProgress(2, total, "imitation");
    const evaluate = async () => {
      const weights = await network.weights();
      return { weights, ratio: await costRatio(parts.pool, scenarios, weights, heuristicCosts) };
    };
    let best = await evaluate();
    const curve: CurvePoint[] = [{ iteration: 0, costRatio: best.ratio, report: undefined }];
    for (let iteration = 1; iteration <= options.iterations; iteration++) {
      const report = await improveOnce(parts, trainer, iteration);
      await onProgress(iteration + 2, total, "PPO");
      if (iteration % options.evaluateEvery !== 0 && iteration !== options.iterations) continue;
      const now = await evaluate();
      curve.push({ iteration, costRatio: now.ratio, report });
      if (now.ratio < best.ratio) best = now;
    }
    return { weights: best.weights, ...ratios, imitationLoss, curve };
  } finally {
    trainer.dispose();
  }
}

/** The reserve that is best on each scenario; the first rule is the heuristic. */
async function chooseTeachers(pool: TrainingPool, scenarios: readonly ScenarioSpec[]) {
  const policies = RESERVE_RULES.map((rule) => ({ kind: "reserve" as const, rule }));
  const answers = await pool.all(
    scenarios.map((spec) => ({ kind: "evaluate" as const, spec, policies, withBound: false })),
  );
  const heuristicCosts = answers.map(({ costs }) => costs[0] as number);
  const least = answers.map(({ costs }) => Math.min(...costs));
  const rules = answers.map(
    ({ costs }, i) => RESERVE_RULES[costs.indexOf(least[i] as number)] as ReserveRule,
  );
  const ruleRatios = RESERVE_RULES.map((_, r) =>
    meanRatio(
      answers.map(({ costs }) => costs[r] as number),
      heuristicCosts,
    ),
  );
  const teacherRatio = meanRatio(least, heuristicCosts);
  return { rules, heuristicCosts, teacherRatio, ruleRatio: Math.min(...ruleRatios) };
}

/** First what the teachers see, then also what the pupil gets into, labelled by the teachers. */
async function imitateTeacher(
  { pool, options, prng }: TrainingParts,
  trainer: PolicyTrainer,
  scenarios: readonly ScenarioSpec[],
  rules: readonly ReserveRule[],
): Promise<number[]> {
  const losses: number[] = [];
  const groups: Samples[] = [];
  const keep = options.keep * options.rollouts;
  for (const actor of ["teacher", "pupil"] as const) {
    const weights = actor === "teacher" ? undefined : await trainer.network.weights();
    const jobs = scenarios.map((spec, seed) => ({
      kind: "labels" as const,
      spec,
      rule: rules[seed] as ReserveRule,
      weights,
      keep,
      seed,
    }));
    const answers = await pool.all(jobs);
    groups.push(...answers.map(({ samples }) => samples).filter(({ count }) => count > 0));
    for (let epoch = 0; epoch < options.imitationEpochs; epoch++) {
      losses.push(await trainer.imitate(groups, prng.fork(`imitate ${actor} ${epoch}`)));
    }
  }
  return losses;
}

async function improveOnce(parts: TrainingParts, trainer: PolicyTrainer, iteration: number) {
  const { pool, source, window, options, prng } = parts;
  const weights = await trainer.network.weights();
  const draw = prng.fork(`iteration ${iteration}`);
  const { rollouts, keep, horizonMs, lambdaPerSecond } = options;
  const jobs = Array.from({ length: options.scenarios }, (_, k) => ({
    kind: "rollouts" as const,
    spec: drawTraining(source, window, draw.fork(k)),
    weights,
    options: {
      rollouts,
      keep,
      horizonMs,
      lambdaPerSecond,
      seed: draw.fork(`seed ${k}`).nextUint32(),
    },
  }));
  const answers = await pool.all(jobs);
  const groups = answers.map(({ samples }) => samples).filter(({ count }) => count > 1);
  return trainer.improve(groups, draw.fork("minibatches"));
}

async function costRatio(
  pool: TrainingPool,
  scenarios: readonly ScenarioSpec[],
  weights: PolicyWeights,
  heuristicCosts: readonly number[],
): Promise<number> {
  const policies = [{ kind: "learned" as const, weights }];
  const answers = await pool.all(
    scenarios.map((spec) => ({ kind: "evaluate" as const, spec, policies, withBound: false })),
  );
  return meanRatio(
    answers.map(({ costs }) => costs[0] as number),
    heuristicCosts,
  );
}

/** Geometric mean of the ratios: scenarios count alike, whatever they cost. */
function meanRatio(costs: readonly number[], reference: readonly number[]): number {
  const sum = costs.reduce((all, cost, i) => all + Math.log(cost / (reference[i] as number)), 0);
  return Math.exp(sum / costs.length);
}
