import { learnedScheduler } from "../learn/learned-scheduler.ts";
import type { PolicyWeights } from "../learn/policy-weights.ts";
import { ServedPolicy } from "../learn/served-policy.ts";
import type { PolicyLearner } from "./policy-learner.ts";

/**
 * A policy trained beforehand as the gate's candidate. It learns nothing more: the gate lets it act
 * where it is better, and the fall-back where it is not.
 */
export function trainedCandidate(weights: PolicyWeights): PolicyLearner {
  const create = () => {
    const scheduler = learnedScheduler(new ServedPolicy(weights));
    // One request at a time, here and in the twin: the fall-back beside it knows no rounds.
    const { name } = scheduler;
    return { name, place: scheduler.place.bind(scheduler) };
  };
  return { name: "learned", version: () => ({ name: "learned", create }), learn: () => {} };
}
