import type { Prng } from "@fmlab/sim";
import { PolicyNetwork } from "../learn/policy-network.ts";
import type { PolicyWeights } from "../learn/policy-weights.ts";
import { PolicyTrainer, PPO_DEFAULTS, type PpoOptions } from "../learn/ppo.ts";
import { collectRollouts } from "../learn/rollout.ts";
import type { Scenario, ScenarioSpec } from "../learn/scenario.ts";
import { drawDurationMs } from "../traces/generator.ts";
import { traceOfRows } from "../traces/invocation-trace.ts";
import { type TwinWindow, twinCost } from "./digital-twin.ts";
import type { PolicyLearner, PolicyVersion } from "./policy-learner.ts";
import { learnedPlacer } from "./trained-candidate.ts";

/** How a policy is tuned on a window. */
export interface FineTuneOptions {
  /** Updates a lesson. */
  rounds: number;
  /** Runs over the window's requests in each, and decisions of a run that are learned from. */
  rollouts: number;
  keep: number;
  horizonMs: number;
  lambdaPerSecond: number;
  ppo: PpoOptions;
}

/** Small lessons: a window is short, and what was learned before shall not be lost. */
const DEFAULTS: FineTuneOptions = {
  rounds: 4,
  rollouts: 4,
  keep: 200,
  horizonMs: 5_000,
  lambdaPerSecond: 0.8,
  ppo: { ...PPO_DEFAULTS, learningRate: 3e-3, divergenceMax: 0.1, minibatch: 128 },
};
/** Weights are compared over so many draws of durations that they were not taught with. */
const CHECK_DRAWS = 4;

/**
 * Goes on training a policy on the window's requests, in a twin that has the nodes that are up:
 * masked PPO against the mean of runs over the same requests. Of the weights after each round, and
 * those before the lesson, the ones that cost least in the twin are kept. It only proposes: the
 * gate decides who acts.
 *
 * Rules are not part of the lessons, since the mask holds them whoever chooses.
 *
 * Needs a TensorFlow back end (`chooseBackEnd`) before the first lesson.
 */
export class FineTuneLearner implements PolicyLearner {
  readonly name = "fine-tuned";
  readonly #options: FineTuneOptions;
  readonly #prng: Prng;
  #weights: PolicyWeights;
  #versions = 0;
  /** Lessons after which the weights before them were still the best. */
  rejected = 0;

  constructor(weights: PolicyWeights, prng: Prng, options: Partial<FineTuneOptions> = {}) {
    this.#weights = weights;
    this.#prng = prng;
    this.#options = { ...DEFAULTS, ...options };
  }

  /** The weights as they are now. */
  get weights(): PolicyWeights {
    return this.#weights;
  }

  version(): PolicyVersion {
    const weights = this.#weights;
    const name = this.#versions === 0 ? "learned" : `${this.name}-${this.#versions}`;
    return { name, create: () => learnedPlacer(weights, name) };
  }

  async learn(window: TwinWindow): Promise<void> {
    const { rounds, rollouts, keep, horizonMs, lambdaPerSecond, ppo } = this.#options;
    const lesson = this.#prng.fork(`lesson ${window.seed}`);
    const trainer = new PolicyTrainer(new PolicyNetwork(this.#weights), ppo);
    let best = { weights: this.#weights, cost: checkedCost(window, this.#weights) };
    try {
      for (let round = 0; round < rounds; round++) {
        const weights = await trainer.network.weights();
        const draw = lesson.fork(round);
        const seed = draw.nextUint32();
        const options = { rollouts, keep, horizonMs, lambdaPerSecond, seed };
        const { samples } = collectRollouts(scenarioOf(window, draw), weights, options);
        if (samples.count < 2) continue;
        await trainer.improve([samples], draw.fork("minibatches"));
        const tuned = await trainer.network.weights();
        const cost = checkedCost(window, tuned);
        if (cost < best.cost) best = { weights: tuned, cost };
      }
    } finally {
      trainer.dispose();
    }
    if (best.weights === this.#weights) {
      this.rejected++;
    } else {
      this.#weights = best.weights;
      this.#versions++;
    }
  }
}

/** What a policy costs in the twin, over draws of durations it was not taught with. */
function checkedCost(window: TwinWindow, weights: PolicyWeights): number {
  let sum = 0;
  for (let draw = 0; draw < CHECK_DRAWS; draw++) {
    const seed = window.seed * CHECK_DRAWS + draw;
    sum += twinCost({ ...window, seed }, learnedPlacer(weights, "tried"));
  }
  return sum / CHECK_DRAWS;
}

/** How a scenario is told of that is not built from a description but from what was seen. */
const WINDOW_SPEC: ScenarioSpec = {
  cell: "window",
  network: { source: "fixed", file: "", name: "", fixedRttMs: 0 },
  nodeCount: 0,
  load: 0,
  seed: 0,
  requestsMax: 0,
  workload: {
    source: "generated",
    trace: { invocations: "", durations: "", memory: "" },
    fromMinute: 0,
    minutes: 0,
    functions: 0,
    perDayMax: 0,
    durations: "published",
    spread: "exponential",
    durationMsMax: 0,
    tenants: 1,
    sloFactor: 0,
    sloSlackMs: 0,
    dataShare: 0,
    jobs: 0,
  },
};

/** The window as the trainer's scenarios are; durations are drawn, since no gateway knows them. */
function scenarioOf(window: TwinWindow, prng: Prng): Scenario {
  const { nodes, functions, network, up, requests, countedFrom } = window;
  const firstMs = requests[0]?.arrivalMs ?? 0;
  const draw = prng.fork("durations");
  const rows = requests.map(({ functionIndex, site, arrivalMs }) => ({
    functionIndex,
    site,
    arrivalMs: arrivalMs - firstMs,
    durationMs: drawDurationMs(functions[functionIndex]?.meanDurationMs ?? 1, draw),
  }));
  const spanMs = rows.at(-1)?.arrivalMs ?? 0;
  return {
    spec: { ...WINDOW_SPEC, nodeCount: nodes.length, requestsMax: rows.length },
    cluster: {
      nodes: nodes.filter((_, node) => up[node] !== 0),
      network,
      topology: undefined,
      registrySite: 0,
      notes: [],
    },
    workload: { functions: [...functions], trace: traceOfRows(rows), spanMs, notes: [] },
    warmupMs: rows[countedFrom]?.arrivalMs ?? 0,
  };
}
