import { QUEUE, type Scheduler } from "./scheduler.ts";

/** The next candidate after the last one chosen, by number, all functions alike. */
export function roundRobin(): Scheduler {
  let last = -1;
  return {
    name: "round-robin",
    place({ candidates: { nodes } }) {
      const next = nodes.find((node) => node > last) ?? nodes[0] ?? QUEUE;
      last = next;
      return next;
    },
  };
}
