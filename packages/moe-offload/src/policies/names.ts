/** Names of the policies, for configs; `registry.ts` maps each to its definition. */
export const POLICY_NAMES = [
  "all-resident",
  "on-demand",
  "lru",
  "lfu",
  "arc",
  "fate",
  "moe-infinity",
  "least-stale",
  "mrs",
  "static",
  "belady",
  "reuse",
] as const;
/** One of `POLICY_NAMES`. */
export type PolicyName = (typeof POLICY_NAMES)[number];
