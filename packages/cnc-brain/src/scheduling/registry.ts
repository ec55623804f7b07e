import type { Prng } from "@fmlab/sim";
import { unknownName } from "../errors.ts";
import { joinShortestQueue } from "./jsq.ts";
import { kubernetes } from "./kubernetes.ts";
import { latencyGreedy } from "./latency-greedy.ts";
import { leastConnections } from "./least-connections.ts";
import { minCostFlow } from "./min-cost-flow.ts";
import { SCHEDULER_NAMES, type SchedulerName } from "./names.ts";
import { openWhisk } from "./openwhisk.ts";
import { randomChoice } from "./random.ts";
import { roundRobin } from "./round-robin.ts";
import type { Scheduler } from "./scheduler.ts";
import { sparrow } from "./sparrow.ts";

const FACTORIES: Record<SchedulerName, (prng: Prng) => Scheduler> = {
  random: randomChoice,
  "round-robin": roundRobin,
  "least-connections": leastConnections,
  "jsq-2": (prng) => joinShortestQueue(prng, 2),
  kubernetes: (prng) => kubernetes(prng, { balanced: "improvement", fit: "least-allocated" }),
  "kubernetes-classic": (prng) => kubernetes(prng, { balanced: "classic", fit: "least-allocated" }),
  "most-allocated": (prng) => kubernetes(prng, { balanced: "improvement", fit: "most-allocated" }),
  "latency-greedy": latencyGreedy,
  openwhisk: openWhisk,
  sparrow: (prng) => sparrow(prng),
  "min-cost-flow": () => minCostFlow(),
};

/**
 * A baseline by name, in its first state, with its own stream of chance.
 *
 * @throws CncError `UNKNOWN_NAME`
 */
export function createScheduler(name: string, prng: Prng): Scheduler {
  const factory = FACTORIES[name as SchedulerName];
  if (factory === undefined || !Object.hasOwn(FACTORIES, name)) {
    throw unknownName("scheduler", name, SCHEDULER_NAMES);
  }
  return factory(prng.fork(name));
}
