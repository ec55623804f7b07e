import { createPrng } from "@fmlab/sim";
import type { RoutingShape } from "../../src/offload/routing.ts";
import type { PlannerMachine } from "../../src/planner/planner-machine.ts";
import type { PlannerModel } from "../../src/planner/planner-model.ts";
import type { PlanSetup } from "../../src/planner/predict.ts";
import { splitWorkload } from "../../src/planner/workload.ts";
import { uniformTimes } from "../../src/replay/compute-times.ts";
import { generateTrace } from "../../src/traces/generator.ts";
import { logNormalPopularity } from "../../src/traces/popularity.ts";

/** A model small enough to try everything. */
export const SHAPE: RoutingShape = {
  layerCount: 4,
  expertCount: 8,
  expertUsedCount: 2,
  moeLayers: [1, 2, 3],
};
export const EXPERT_BYTES = 1_000_000;
/** Compute times in which every number can be told from the others. */
export const TIMES = uniformTimes(SHAPE, {
  attentionMs: 0.3,
  sharedMs: 0.07,
  expertMs: 0.11,
  combineMs: 0.013,
  denseMs: 0.9,
  headMs: 0.5,
  graphMs: 0.02,
});
export const MODEL: PlannerModel = {
  name: "small",
  shape: SHAPE,
  expertBytes: () => EXPERT_BYTES,
  allExpertBytes: 24 * EXPERT_BYTES,
  dense: { attention: 1e5, shared: 1e5, dense: 1e5, head: 1e5, all: 8e5 },
  kvBytesPerToken: 1000,
  contextLength: 4096,
  expertWeights: 1_000_000,
};

const traces = new Map<number, ReturnType<typeof generateTrace>>();

/** A setup on generated routing; made once for each seed. */
export function smallSetup(seed: number, machine: Partial<PlannerMachine> = {}): PlanSetup {
  const trace = traces.get(seed) ?? generate(seed);
  traces.set(seed, trace);
  return {
    model: MODEL,
    workload: splitWorkload(trace, 120),
    machine: {
      title: "made up",
      link: { bandwidthMBps: 800, latencyUs: 50, queueDepth: 1 },
      times: TIMES,
      assumptions: [],
      ...machine,
    },
  };
}

function generate(seed: number) {
  return generateTrace({
    model: "small",
    shape: SHAPE,
    tokenCount: 320,
    seed,
    date: "",
    popularity: logNormalPopularity(SHAPE, 0.6, ["a"], createPrng(seed)),
    sequenceTokens: 80,
    previousTokenReuse: 0.45,
    sequenceReuse: 0.35,
    crossLayerAccuracy: 0.8,
    aheadDepth: 3,
    chosenMass: 0.6,
    hasProbabilities: true,
  });
}
