import { createPrng } from "@fmlab/sim";
import { type PlacementRequest, QUEUE } from "../scheduling/scheduler.ts";
import { costOf } from "../simulator/summary.ts";
import type { DecisionFrame } from "./decision-frame.ts";
import { ForkableCluster } from "./forkable-cluster.ts";
import { type Chooser, indexChooser, learnedScheduler, RoundMemory } from "./learned-scheduler.ts";
import type { PolicyWeights } from "./policy-weights.ts";
import { type Kept, keepDecision, packSamples, type Samples } from "./rollout.ts";
import type { Scenario } from "./scenario.ts";
import { ServedPolicy } from "./served-policy.ts";

/** How far and how widely is looked ahead. */
export interface LookaheadOptions {
  /** Decisions that are looked into: about so many, and more where there are more rounds. */
  keep: number;
  /** Choices that are tried: the likeliest. */
  alternatives: number;
  /** Until when the requests' costs count. */
  horizonMs: number;
  seed: number;
}

/** Decisions with what each of several choices would have cost. */
export interface LookaheadSamples {
  samples: Samples;
  /** Cost over that of the choice made, `[count, nodes + 1]`; 0 where it was not tried. */
  costs: Float32Array;
  /** 1 where a choice was tried, `[count, nodes + 1]`. */
  tried: Float32Array;
}

/** The cluster and what its scheduler remembers, before a round. */
interface Moment {
  cluster: ForkableCluster;
  memory: RoundMemory;
}

/** A decision in the middle of a round, and the choices before it. */
interface Opened {
  kept: Kept;
  before: number[];
  choices: number[];
}

/**
 * Runs a policy over a scenario and asks at some of its decisions what every likely choice would
 * have come to: the cluster is forked before the round, the choice is made, the index goes on from
 * there, and all costs up to the horizon are summed up. All choices meet the same requests and the
 * same durations, so that their difference is what the choice did.
 *
 * One run sees one future, and its sums are unbiased for the expected ones: who fits a policy to
 * many of them improves on the index.
 *
 * @see Bertsekas & Castanon 1999, Rollout Algorithms for Stochastic Scheduling Problems;
 *      Ross & Bagnell 2014, arXiv:1406.5979, for learning from costs to go
 */
export function collectLookahead(
  scenario: Scenario,
  weights: PolicyWeights,
  options: LookaheadOptions,
): LookaheadSamples {
  const prng = createPrng(options.seed, "lookahead");
  const main = new ForkableCluster(scenario);
  const before = { cluster: main.another(), memory: new RoundMemory() };
  const policy = new ServedPolicy(weights);
  const watch = new RoundWatch(policy, () => prng.nextFloat(), options.alternatives);
  const acting = learnedScheduler(watch);
  const trial = new Trial(main, weights);
  const share = options.keep / Math.max(1, main.requests.length);
  const found: { kept: Kept; costs: Float32Array; tried: Float32Array }[] = [];
  main.run((requests, view) => {
    // By round, not by request: in a long queue most requests have nothing to choose from.
    if (prng.nextFloat() >= share) return acting.placeBatch(requests, view);
    before.cluster.copyFrom(main);
    before.memory.copyFrom(acting.memory);
    watch.open();
    const decisions = acting.placeBatch(requests, view);
    const { opened } = watch;
    watch.close();
    if (opened !== undefined) {
      const untilMs = main.nowMs + options.horizonMs;
      found.push({ kept: opened.kept, ...trial.compare(before, requests, opened, untilMs) });
    }
    return decisions;
  });
  const nodeCount = scenario.cluster.nodes.length;
  const plain = found.map(({ kept }) => ({ ...kept, advantage: 0, returns: 0, value: 0 }));
  const joined = (of: (one: (typeof found)[number]) => Float32Array): Float32Array => {
    const all = new Float32Array(found.length * (nodeCount + 1));
    for (const [i, one] of found.entries()) all.set(of(one), i * (nodeCount + 1));
    return all;
  };
  return {
    samples: packSamples(plain, nodeCount),
    costs: joined(({ costs }) => costs),
    tried: joined(({ tried }) => tried),
  };
}

/** Writes a round's choices down, and keeps one of its decisions, each with equal chance. */
class RoundWatch implements Chooser {
  readonly name = "watch";
  readonly index;
  opened: Opened | undefined;
  #made: number[] = [];
  #open = 0;

  constructor(
    readonly policy: ServedPolicy,
    readonly draw: () => number,
    readonly alternatives: number,
  ) {
    this.index = policy.index;
  }

  open(): void {
    this.#made = [];
    this.#open = 1;
    this.opened = undefined;
  }

  close(): void {
    this.#open = 0;
  }

  choose(frame: DecisionFrame): number {
    const choice = this.policy.choose(frame);
    if (this.#open === 0) return choice;
    const choices = likeliest(frame, this.policy.logits(frame), this.alternatives);
    if (choices.length > 1 && this.draw() * this.#open++ < 1) {
      const action = choice === QUEUE ? frame.nodeCount : choice;
      const kept = keepDecision(frame, 0, action, 0);
      if (!choices.includes(action)) choices.push(action);
      this.opened = { kept, before: [...this.#made], choices };
    }
    this.#made.push(choice);
    return choice;
  }
}

function likeliest(frame: DecisionFrame, logits: Float32Array, count: number): number[] {
  const allowed = [...frame.fits.subarray(0, frame.fitCount)];
  if (frame.mask[frame.nodeCount] === 1) allowed.push(frame.nodeCount);
  return allowed
    .sort((a, b) => (logits[b] as number) - (logits[a] as number) || a - b)
    .slice(0, count);
}

/** Replays a round up to a decision, makes another choice and lets the index go on. */
class Trial {
  readonly #fork: ForkableCluster;
  readonly #scheduler;
  #script: number[] = [];

  constructor(main: ForkableCluster, weights: PolicyWeights) {
    this.#fork = main.another();
    const base = indexChooser(weights.index);
    this.#scheduler = learnedScheduler({
      ...base,
      choose: (frame, request) => this.#script.shift() ?? base.choose(frame, request),
    });
  }

  compare(
    before: Moment,
    requests: readonly PlacementRequest[],
    { kept, before: made, choices }: Opened,
    untilMs: number,
  ): { costs: Float32Array; tried: Float32Array } {
    const { nodeCount } = before.cluster.view;
    const costs = new Float32Array(nodeCount + 1);
    const tried = new Float32Array(nodeCount + 1);
    const own = this.#run(before, requests, [...made, asDecision(kept.action, nodeCount)], untilMs);
    for (const choice of choices) {
      const script = [...made, asDecision(choice, nodeCount)];
      tried[choice] = 1;
      if (choice === kept.action) continue;
      costs[choice] = this.#run(before, requests, script, untilMs) - own;
    }
    return { costs, tried };
  }

  #run(
    before: Moment,
    requests: readonly PlacementRequest[],
    script: number[],
    untilMs: number,
  ): number {
    const fork = this.#fork;
    const scheduler = this.#scheduler;
    fork.copyFrom(before.cluster);
    scheduler.memory.copyFrom(before.memory);
    this.#script = script;
    fork.apply(requests, scheduler.placeBatch(requests, fork.view));
    this.#script = [];
    fork.run((asked, view) => scheduler.placeBatch(asked, view), untilMs);
    return fork.startedCost + this.#waitingCost(untilMs);
  }

  /** Those that have not started cost at least what they would if they did now. */
  #waitingCost(untilMs: number): number {
    let sum = 0;
    for (const { arrivalMs, functionIndex } of this.#fork.waiting) {
      const { meanDurationMs, sloMs } = this.#fork.view.fn(functionIndex);
      sum += costOf(untilMs - arrivalMs + meanDurationMs, sloMs);
    }
    return sum;
  }
}

function asDecision(action: number, nodeCount: number): number {
  return action === nodeCount ? QUEUE : action;
}
