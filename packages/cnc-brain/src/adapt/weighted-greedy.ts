import { expectedResponse } from "../scheduling/expected-response.ts";
import { lowestOf, type Scheduler } from "../scheduling/scheduler.ts";

/** What a weighted greedy policy can be told, in this order; 0 everywhere is `latency-greedy`. */
export const WEIGHT_NAMES = [
  "ln weight of network",
  "ln weight of wait",
  "ln weight of start",
  "ln weight of data",
  "ln weight of run",
  "requests per core, mean durations",
  "edge, SLOs",
  "device, SLOs",
] as const;

/**
 * `latency-greedy` with weights: the candidate with the lowest weighted sum of the expected
 * response's parts, of what is sent to the node already (in mean durations), and of what its tier
 * costs (in SLOs of the function). A small policy that can be tuned in seconds.
 *
 * @param weights `[8]`, in the order of `WEIGHT_NAMES`; those left out are 0
 */
export function weightedGreedy(weights: readonly number[], name = "weighted-greedy"): Scheduler {
  const [network = 1, wait = 1, start = 1, data = 1, run = 1] = weights.slice(0, 5).map(Math.exp);
  const [load = 0, edge = 0, device = 0] = weights.slice(5);
  const ofTier = { cloud: 0, edge, device };
  return {
    name,
    place: ({ candidates, functionIndex, site }, view) => {
      const { meanDurationMs, sloMs } = view.fn(functionIndex);
      return lowestOf(candidates.nodes, (node) => {
        const parts = expectedResponse(view, functionIndex, site, node);
        const { cores, tier } = view.node(node);
        return (
          network * parts.network +
          wait * parts.wait +
          start * parts.start +
          data * parts.data +
          run * parts.run +
          (load * meanDurationMs * view.load(node)) / cores +
          ofTier[tier] * sloMs
        );
      });
    },
  };
}
