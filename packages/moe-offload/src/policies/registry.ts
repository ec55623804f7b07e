import { allResident } from "./all-resident.ts";
import { lru } from "./lru.ts";
import type { PolicyName } from "./names.ts";
import { onDemand } from "./on-demand.ts";
import type { PolicyDefinition } from "./policy.ts";

/** Every policy by its name. Adding one: its file, its name in `names.ts`, and a line here. */
export const POLICIES: Readonly<Record<PolicyName, PolicyDefinition>> = {
  "all-resident": allResident,
  "on-demand": onDemand,
  lru,
};
