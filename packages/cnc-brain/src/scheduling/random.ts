import type { Prng } from "@fmlab/sim";
import type { Scheduler } from "./scheduler.ts";

/** Any candidate, each equally likely. */
export function randomChoice(prng: Prng): Scheduler {
  return {
    name: "random",
    place: ({ candidates: { nodes } }) => nodes[prng.nextInt(nodes.length)] as number,
  };
}
