import { allResident } from "./all-resident.ts";
import { arc } from "./arc.ts";
import { belady } from "./belady.ts";
import { fate } from "./fate.ts";
import { leastStale } from "./least-stale.ts";
import { lfu } from "./lfu.ts";
import { lru } from "./lru.ts";
import { moeInfinity } from "./moe-infinity.ts";
import { mrs } from "./mrs.ts";
import type { PolicyName } from "./names.ts";
import { onDemand } from "./on-demand.ts";
import type { PolicyDefinition } from "./policy.ts";
import { reuse } from "./reuse.ts";
import { staticPopularity } from "./static.ts";

/** Every policy by its name. Adding one: its file, its name in `names.ts`, and a line here. */
export const POLICIES: Readonly<Record<PolicyName, PolicyDefinition>> = {
  "all-resident": allResident,
  "on-demand": onDemand,
  lru,
  lfu,
  arc,
  fate,
  "moe-infinity": moeInfinity,
  "least-stale": leastStale,
  mrs,
  static: staticPopularity,
  belady,
  reuse,
};
