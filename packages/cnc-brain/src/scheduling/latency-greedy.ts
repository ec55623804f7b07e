import { expectedResponse, totalOf } from "./expected-response.ts";
import { lowestOf, type Scheduler } from "./scheduler.ts";

/**
 * The candidate from which the answer is expected first: round trip, transfers, queue, container
 * start, data and run time added up (`expectedResponse`). Knows the network, and nothing of what
 * its choice does to the requests after it.
 */
export function latencyGreedy(): Scheduler {
  return {
    name: "latency-greedy",
    place: ({ candidates, functionIndex, site }, view) =>
      lowestOf(candidates.nodes, (node) =>
        totalOf(expectedResponse(view, functionIndex, site, node)),
      ),
    score: ({ functionIndex, site }, view, node) =>
      Object.entries(expectedResponse(view, functionIndex, site, node)).map(
        ([criterion, ms]: [string, number]) => ({ criterion, weight: 1, value: -ms }),
      ),
  };
}
