/** Names of the policies, for configs; `registry.ts` maps each to its definition. */
export const POLICY_NAMES = ["all-resident", "on-demand", "lru"] as const;
export type PolicyName = (typeof POLICY_NAMES)[number];
