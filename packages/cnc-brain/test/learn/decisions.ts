import { createPrng } from "@fmlab/sim";
import type { DecisionFrame } from "../../src/learn/decision-frame.ts";
import { heuristicChooser, learnedScheduler } from "../../src/learn/learned-scheduler.ts";
import {
  type PolicyWeights,
  sizeOf,
  TENSOR_NAMES,
  untrainedWeights,
} from "../../src/learn/policy-weights.ts";
import { buildScenario, runScenario, type Scenario } from "../../src/learn/scenario.ts";

/** A small busy scenario on the built-in map, without data. */
export function smallScenario(seed: number, nodeCount = 6, load = 0.9): Scenario {
  return buildScenario({
    cell: "test",
    network: { source: "built-in", file: "", name: "", fixedRttMs: 0 },
    nodeCount,
    load,
    seed,
    requestsMax: 400,
    workload: {
      source: "generated",
      trace: { invocations: "", durations: "", memory: "" },
      fromMinute: 0,
      minutes: 8,
      functions: 30,
      perDayMax: 2e5,
      durations: "published",
      spread: "exponential",
      durationMsMax: 20_000,
      tenants: 2,
      sloFactor: 3,
      sloSlackMs: 500,
      dataShare: 0.2,
      jobs: 0,
    },
  });
}

/** Weights without a zero among them: every part of the forward pass matters. */
export function randomWeights(seed: number): PolicyWeights {
  const weights = untrainedWeights(createPrng(seed));
  for (const name of TENSOR_NAMES) {
    const draw = createPrng(seed, name);
    weights[name] = Float32Array.from({ length: sizeOf(name) }, () => draw.normal(0, 0.4));
  }
  return weights;
}

/** Calls back with each decision of the heuristic on a scenario. */
export function watchDecisions(scenario: Scenario, watch: (frame: DecisionFrame) => void): void {
  const choose: typeof heuristicChooser.choose = (frame, request) => {
    watch(frame);
    return heuristicChooser.choose(frame, request);
  };
  runScenario(scenario, learnedScheduler({ name: "watch", choose }));
}
