import { allocateEqually } from "./allocation.ts";
import type { ArcRules } from "./arc-cache.ts";
import { LayeredArc } from "./layered-arc.ts";
import type { PolicyDefinition } from "./policy.ts";

const RULES: ArcRules = {
  stepUp: ({ b1, b2 }) => Math.max(1, b2 / b1),
  stepDown: ({ b1, b2 }) => Math.max(1, b1 / b2),
  evictsAtTarget: true,
  forgetsB1First: false,
  countsAdmission: false,
};

/**
 * Textbook ARC in each layer, exact for one expert per token; of several, the hits come before the
 * misses and no expert of the token is evicted. A prefetched expert enters T1 and stays there at
 * its first use.
 */
export const arc: PolicyDefinition = {
  name: "arc",
  help: "Each layer balances recent against frequent experts by itself, in equally many slots.",
  source: "Megiddo and Modha 2003, FAST, figure 4 (exact)",
  allocate: allocateEqually,
  create: (context) => new LayeredArc(context, RULES),
};
