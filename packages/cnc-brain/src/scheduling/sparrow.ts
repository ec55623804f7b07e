import type { Prng } from "@fmlab/sim";
import { requireSetting } from "../errors.ts";
import { QUEUE, type Scheduler } from "./scheduler.ts";

/**
 * Sparrow for single requests: places are kept in the queues of `probes` random nodes, and the
 * first whose turn comes takes the request (late binding); the other places are void.
 *
 * @see Ousterhout et al. 2013, Sparrow (SOSP)
 */
export function sparrow(prng: Prng, probes = 2): Scheduler {
  requireSetting(probes >= 1, "probes", probes, "at least 1");
  return {
    name: "sparrow",
    place({ candidates: { nodes } }) {
      if (nodes.length === 0) return QUEUE;
      const chosen = new Set<number>();
      while (chosen.size < Math.min(probes, nodes.length)) {
        chosen.add(nodes[prng.nextInt(nodes.length)] as number);
      }
      return [...chosen];
    },
  };
}
