import { createPrng, type Prng } from "@fmlab/sim";
import { QUEUE } from "../scheduling/scheduler.ts";
import { BIN_MS, costCurve, estimateAdvantages, rewardsOverSameInput } from "./advantages.ts";
import {
  CONTEXT_FEATURES,
  type DecisionFrame,
  NODE_INPUTS,
  PAIR_INPUTS,
} from "./decision-frame.ts";
import { type Chooser, learnedScheduler } from "./learned-scheduler.ts";
import type { PlacementIndex } from "./placement-index.ts";
import { type PolicyWeights, VALUE_HIDDEN } from "./policy-weights.ts";
import { runScenario, type Scenario } from "./scenario.ts";
import { ServedPolicy } from "./served-policy.ts";

/** Decisions as arrays, all over the same number of nodes; what a thread sends back. */
export interface Samples {
  count: number;
  nodeCount: number;
  /** `[count, nodes, NODE_INPUTS]` and so on, row-major. */
  nodes: Float32Array;
  pairs: Float32Array;
  context: Float32Array;
  /** `[count, nodes + 1]`, 1 where allowed. */
  mask: Float32Array;
  prior: Float32Array;
  /** Index of the choice; `nodes` is waiting. */
  action: Int32Array;
  /** ln of its probability when it was made. */
  logProbability: Float32Array;
  advantage: Float32Array;
  /** What the critic should have said, and what it said. */
  returns: Float32Array;
  value: Float32Array;
}

const NODE = NODE_INPUTS.length;
const PAIR = PAIR_INPUTS.length;
const CONTEXT = CONTEXT_FEATURES.length;

/** How a group of rollouts is made. */
export interface RolloutOptions {
  /** Runs over the same requests. */
  rollouts: number;
  /** Decisions of each run that are kept for learning, drawn at random. */
  keep: number;
  horizonMs: number;
  lambdaPerSecond: number;
  seed: number;
}

/** One decision that was kept. */
export interface Kept {
  index: number;
  nodes: Float32Array;
  pairs: Float32Array;
  mask: Uint8Array;
  prior: Float32Array;
  context: Float32Array;
  action: number;
  logProbability: number;
}

/** Draws choices from a policy and writes decisions down. */
class Recorder implements Chooser {
  readonly name = "recorder";
  readonly index: PlacementIndex;
  readonly kept: Kept[] = [];
  readonly atMs: number[] = [];
  readonly values: number[] = [];
  #seen = 0;
  constructor(
    readonly policy: ServedPolicy,
    readonly weights: PolicyWeights,
    readonly prng: Prng,
    readonly keep: number,
  ) {
    this.index = weights.index;
  }

  choose(frame: DecisionFrame): number {
    const logits = this.policy.logits(frame);
    const { action, logProbability } = drawAction(frame, logits, this.prng);
    this.atMs.push(frame.view.nowMs);
    this.values.push(criticValue(this.weights, frame.context));
    const index = this.atMs.length - 1;
    if (countChoices(frame) > 1) {
      // A reservoir: each decision with a choice is kept with the same probability.
      const at = this.#seen < this.keep ? this.#seen : this.prng.nextInt(this.#seen + 1);
      this.#seen++;
      if (at < this.keep) this.kept[at] = keepDecision(frame, index, action, logProbability);
    }
    return action === frame.nodeCount ? QUEUE : action;
  }
}

/** Runs a policy several times over the same requests; advantages are against the runs' mean. */
export function collectRollouts(
  scenario: Scenario,
  weights: PolicyWeights,
  options: RolloutOptions,
): { samples: Samples; cost: number } {
  const policy = new ServedPolicy(weights);
  const prng = createPrng(options.seed, "rollouts");
  const runs = Array.from({ length: options.rollouts }, (_, k) => {
    const recorder = new Recorder(policy, weights, prng.fork(k), options.keep);
    const { responseMs } = runScenario(scenario, learnedScheduler(recorder));
    return { recorder, responseMs };
  });
  const { trace, functions, spanMs } = scenario.workload;
  const bins = Math.ceil((spanMs + 4 * options.horizonMs) / BIN_MS);
  const curves = runs.map(({ responseMs }) => costCurve(trace, responseMs, functions, bins));
  const rewards = toUnitReturns(rewardsOverSameInput(curves), options.horizonMs);
  const all = runs.flatMap(({ recorder }, k) => {
    const { atMs, values, kept } = recorder;
    const estimate = estimateAdvantages(atMs, values, rewards[k] as Float64Array, options);
    return kept.map((one) => ({
      ...one,
      advantage: estimate.advantages[one.index] as number,
      returns: estimate.returns[one.index] as number,
      value: values[one.index] as number,
    }));
  });
  const total = curves.reduce((sum, curve) => sum + curve.reduce((a, b) => a + b, 0), 0);
  const cost = total / runs.length / trace.count;
  return { samples: packSamples(all, scenario.cluster.nodes.length), cost };
}

/** Rewards scaled so that discounted returns have deviation 1: the critic's unit everywhere. */
function toUnitReturns(rewards: readonly Float64Array[], horizonMs: number): Float64Array[] {
  const decay = Math.exp(-BIN_MS / horizonMs);
  let squares = 0;
  let count = 0;
  for (const run of rewards) {
    let sum = 0;
    for (let k = run.length - 1; k >= 0; k--) {
      sum = (run[k] as number) + decay * sum;
      squares += sum * sum;
      count++;
    }
  }
  const deviation = Math.sqrt(squares / Math.max(1, count));
  return rewards.map((run) => run.map((reward) => reward / Math.max(1e-9, deviation)));
}

/** A choice drawn from the softmax over the allowed ones. */
function drawAction(frame: DecisionFrame, logits: Float32Array, prng: Prng) {
  const allowed = [...frame.fits.subarray(0, frame.fitCount)];
  if (frame.mask[frame.nodeCount] === 1) allowed.push(frame.nodeCount);
  const highest = Math.max(...allowed.map((action) => logits[action] as number));
  const weights = allowed.map((action) => Math.exp((logits[action] as number) - highest));
  const total = weights.reduce((a, b) => a + b, 0);
  let left = prng.nextFloat() * total;
  let at = 0;
  while (at < allowed.length - 1 && left >= (weights[at] as number)) {
    left -= weights[at] as number;
    at++;
  }
  const logProbability = Math.log((weights[at] as number) / total);
  return { action: allowed[at] as number, logProbability };
}

function countChoices(frame: DecisionFrame): number {
  return frame.fitCount + (frame.mask[frame.nodeCount] as number);
}

/** A copy of a decision's features. */
export function keepDecision(
  frame: DecisionFrame,
  index: number,
  action: number,
  logProbability: number,
): Kept {
  const { nodes, pairs, mask, prior, context } = frame;
  return {
    index,
    action,
    logProbability,
    nodes: nodes.slice(),
    pairs: pairs.slice(),
    mask: mask.slice(),
    prior: prior.slice(),
    context: context.slice(),
  };
}

/** The critic's plain forward pass. */
export function criticValue(
  { valueW, valueB, valueV }: PolicyWeights,
  context: Float32Array,
): number {
  let value = 0;
  for (let h = 0; h < VALUE_HIDDEN; h++) {
    let sum = valueB[h] as number;
    for (let f = 0; f < CONTEXT; f++) {
      sum += (context[f] as number) * (valueW[f * VALUE_HIDDEN + h] as number);
    }
    value += (valueV[h] as number) * Math.tanh(sum);
  }
  return value;
}

/** A decision and what it came to. */
export type Estimated = Kept & { advantage: number; returns: number; value: number };

/** Decisions as arrays. */
export function packSamples(all: readonly Estimated[], nodeCount: number): Samples {
  const count = all.length;
  const samples: Samples = {
    count,
    nodeCount,
    nodes: new Float32Array(count * nodeCount * NODE),
    pairs: new Float32Array(count * nodeCount * PAIR),
    context: new Float32Array(count * CONTEXT),
    mask: new Float32Array(count * (nodeCount + 1)),
    prior: new Float32Array(count * (nodeCount + 1)),
    action: Int32Array.from(all, ({ action }) => action),
    logProbability: Float32Array.from(all, (one) => one.logProbability),
    advantage: Float32Array.from(all, ({ advantage }) => advantage),
    returns: Float32Array.from(all, ({ returns }) => returns),
    value: Float32Array.from(all, ({ value }) => value),
  };
  all.forEach((one, i) => {
    samples.nodes.set(one.nodes, i * nodeCount * NODE);
    samples.pairs.set(one.pairs, i * nodeCount * PAIR);
    samples.context.set(one.context, i * CONTEXT);
    samples.mask.set(one.mask, i * (nodeCount + 1));
    samples.prior.set(one.prior, i * (nodeCount + 1));
  });
  return samples;
}
