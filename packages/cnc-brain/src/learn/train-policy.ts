import type { Prng } from "@fmlab/sim";
import type { LookaheadSamples } from "./lookahead.ts";
import { HEURISTIC_INDEX } from "./placement-index.ts";
import { PolicyNetwork } from "./policy-network.ts";
import { type PolicyWeights, untrainedWeights } from "./policy-weights.ts";
import { PolicyTrainer, type PpoOptions, type UpdateReport } from "./ppo.ts";
import type { ScenarioSpec } from "./scenario.ts";
import { drawTraining, type ScenarioSource, type Window } from "./scenario-sets.ts";
import { closedShare, type SearchOptions, searchIndex, type Yardstick } from "./search-index.ts";
import type { TrainingPool } from "./training-pool.ts";

/** How long and on what a policy learns. */
export interface TrainingOptions {
  /** Scenarios on which the index is searched and looked ahead; half as many more select. */
  teacherScenarios: number;
  search: SearchOptions;
  /** Epochs over what lookahead found, in each of two passes. */
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

/** One evaluation of the policy as it is, on the selection scenarios. */
export interface CurvePoint {
  iteration: number;
  /** Mean cost over the heuristic's on the same. */
  costRatio: number;
  /** Mean share of the gap between heuristic and bound that is closed. */
  closed: number;
  report: UpdateReport | undefined;
}

/** A policy and how it came about. */
export interface TrainedPolicy {
  /** The best evaluated ones, not the last. */
  weights: PolicyWeights;
  /** Of the index alone, on the selection scenarios. */
  indexRatio: number;
  /** Expected regret against the choices made, by epoch of learning from lookahead. */
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

/** Choices that lookahead tries at a decision, and decisions for each that PPO keeps of a run. */
const ALTERNATIVES = 5;
const LOOKAHEAD_KEEP = 2;

/** Scenarios with what the heuristic costs on them and the least that anything can. */
interface Course {
  scenarios: ScenarioSpec[];
  yardsticks: Yardstick[];
}

/**
 * Trains one policy over all topologies, loads and sizes: the numbers of its index by search, then
 * the network's correction from lookahead over the index, then PPO against runs over the same
 * requests. All scenarios are from the training window; those that select the checkpoint are not
 * learned from. The same seed gives the same policy on the same back end, whatever the number of
 * threads.
 */
export async function trainPolicy(parts: TrainingParts): Promise<TrainedPolicy> {
  const { pool, options, prng, onProgress } = parts;
  const total = options.iterations + 4;
  const learning = await courseOf(parts, "learning", options.teacherScenarios);
  const selecting = await courseOf(parts, "selection", Math.ceil(options.teacherScenarios / 2));
  await onProgress(1, total, "scenarios");
  const { scenarios, yardsticks } = learning;
  const index = await searchIndex(pool, scenarios, yardsticks, options.search, prng.fork("index"));
  await onProgress(2, total, "index");
  const network = new PolicyNetwork({ ...untrainedWeights(prng.fork("weights")), index });
  const trainer = new PolicyTrainer(network, options.ppo);
  const curve: CurvePoint[] = [];
  try {
    let best = { weights: await network.weights(), closed: Number.NEGATIVE_INFINITY };
    const evaluate = async (iteration: number, report?: UpdateReport) => {
      const weights = await network.weights();
      const point = await measure(pool, selecting, weights);
      curve.push({ iteration, ...point, report });
      // What has not been shown to be better than what went before is not taken.
      if (point.closed > best.closed) best = { weights, closed: point.closed };
    };
    await evaluate(-1);
    const imitationLoss = await learnAhead(parts, trainer, scenarios);
    await onProgress(4, total, "lookahead");
    await evaluate(0);
    for (let iteration = 1; iteration <= options.iterations; iteration++) {
      const report = await improveOnce(parts, trainer, iteration);
      await onProgress(iteration + 4, total, "PPO");
      if (iteration % options.evaluateEvery !== 0 && iteration !== options.iterations) continue;
      await evaluate(iteration, report);
    }
    const indexRatio = curve[0]?.costRatio ?? 1;
    return { weights: best.weights, indexRatio, imitationLoss, curve };
  } finally {
    trainer.dispose();
  }
}

async function courseOf(
  { pool, source, window, prng }: TrainingParts,
  name: string,
  count: number,
): Promise<Course> {
  const draw = prng.fork(name);
  const scenarios = Array.from({ length: count }, (_, k) =>
    drawTraining(source, window, draw.fork(k)),
  );
  const policies = [{ kind: "index" as const, index: HEURISTIC_INDEX }];
  const answers = await pool.all(
    scenarios.map((spec) => ({
      kind: "evaluate" as const,
      spec,
      policies,
      bound: "priced" as const,
    })),
  );
  const yardsticks = answers.map(({ costs, bound }) => ({ heuristic: costs[0] as number, bound }));
  return { scenarios, yardsticks };
}

/** First from what the index gets into, then also from what the corrected policy gets into. */
async function learnAhead(
  { pool, options, prng }: TrainingParts,
  trainer: PolicyTrainer,
  scenarios: readonly ScenarioSpec[],
): Promise<number[]> {
  const { keep, horizonMs, imitationEpochs } = options;
  const losses: number[] = [];
  const groups: LookaheadSamples[] = [];
  for (const pass of [0, 1]) {
    const weights = await trainer.network.weights();
    const jobs = scenarios.map((spec, k) => {
      const seed = 2 * k + pass;
      const ahead = { keep: LOOKAHEAD_KEEP * keep, alternatives: ALTERNATIVES, horizonMs, seed };
      return { kind: "lookahead" as const, spec, weights, options: ahead };
    });
    const answers = await pool.all(jobs);
    groups.push(...answers.filter(({ samples }) => samples.count > 0));
    for (let epoch = 0; epoch < imitationEpochs; epoch++) {
      losses.push(await trainer.learnAhead(groups, prng.fork(`ahead ${pass} ${epoch}`)));
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

async function measure(
  pool: TrainingPool,
  { scenarios, yardsticks }: Course,
  weights: PolicyWeights,
): Promise<{ costRatio: number; closed: number }> {
  const policies = [{ kind: "learned" as const, weights }];
  const answers = await pool.all(
    scenarios.map((spec) => ({
      kind: "evaluate" as const,
      spec,
      policies,
      bound: "none" as const,
    })),
  );
  const costs = answers.map(({ costs: [cost] }) => cost as number);
  const ratios = costs.map((cost, i) => Math.log(cost / (yardsticks[i] as Yardstick).heuristic));
  // Geometric: scenarios count alike, whatever they cost.
  const costRatio = Math.exp(ratios.reduce((a, b) => a + b, 0) / Math.max(1, ratios.length));
  return { costRatio, closed: closedShare(costs, yardsticks) };
}
