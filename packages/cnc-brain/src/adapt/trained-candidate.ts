import { learnedScheduler } from "../learn/learned-scheduler.ts";
import type { PolicyWeights } from "../learn/policy-weights.ts";
import { ServedPolicy } from "../learn/served-policy.ts";
import type { Scheduler } from "../scheduling/scheduler.ts";
import type { PolicyLearner } from "./policy-learner.ts";

/**
 * A trained policy that places one request at a time, here and in the twin: the fall-back beside it
 * knows no rounds.
 */
export function learnedPlacer(weights: PolicyWeights, name: string): Scheduler {
  const scheduler = learnedScheduler(new ServedPolicy(weights));
  return { name, place: scheduler.place.bind(scheduler) };
}

/**
 * A policy trained beforehand as the gate's candidate. It learns nothing more: the gate lets it act
 * where it is better, and the fall-back where it is not.
 */
export function trainedCandidate(weights: PolicyWeights): PolicyLearner {
  const create = () => learnedPlacer(weights, "learned");
  return { name: "learned", version: () => ({ name: "learned", create }), learn: () => {} };
}
