/** Baseline schedulers by name. */
export const SCHEDULER_NAMES = [
  "random",
  "round-robin",
  "least-connections",
  "jsq-2",
  "kubernetes",
  "kubernetes-classic",
  "most-allocated",
  "latency-greedy",
  "openwhisk",
  "sparrow",
  "min-cost-flow",
] as const;
export type SchedulerName = (typeof SCHEDULER_NAMES)[number];
