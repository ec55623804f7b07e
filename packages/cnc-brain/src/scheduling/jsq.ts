import type { Prng } from "@fmlab/sim";
import { requireSetting } from "../errors.ts";
import { QUEUE, type Scheduler } from "./scheduler.ts";

/**
 * Join the shortest of `choices` queues drawn at random with replacement; load counts per core.
 * Ties: the first drawn.
 *
 * @see Mitzenmacher 2001, The Power of Two Choices in Randomized Load Balancing, IEEE TPDS 12(10)
 */
export function joinShortestQueue(prng: Prng, choices = 2): Scheduler {
  requireSetting(choices >= 1, "choices", choices, "at least 1");
  return {
    name: `jsq-${choices}`,
    place({ candidates: { nodes } }, view) {
      let best = QUEUE;
      let least = Number.POSITIVE_INFINITY;
      for (let k = 0; k < choices; k++) {
        const node = nodes[prng.nextInt(nodes.length)] as number;
        const load = view.load(node) / view.node(node).cores;
        if (load < least) {
          least = load;
          best = node;
        }
      }
      return best;
    },
  };
}
