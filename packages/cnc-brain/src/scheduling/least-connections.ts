import { lowestOf, type Scheduler } from "./scheduler.ts";

/** The candidate with the fewest requests, running and queued, whatever its size. */
export function leastConnections(): Scheduler {
  return {
    name: "least-connections",
    place: ({ candidates }, view) => lowestOf(candidates.nodes, (node) => view.load(node)),
  };
}
