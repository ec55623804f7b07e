import type { Phase } from "./trail.ts";

/** Words for what a transaction's time is spent on, for legends. */
export const PHASE_TITLES: Readonly<Record<Phase, string>> = {
  queue: "waiting for a block",
  consensus: "consensus",
  network: "between shards",
  lockWait: "waiting for locks",
  orderingWait: "waiting for the order",
  execution: "execution",
  proof: "certificates",
};
