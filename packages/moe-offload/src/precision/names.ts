/**
 * Kinds of low-precision copies of experts ("twins"). `q4_0`: every matrix Q4_0, some 4.5 bits a
 * weight. `q2_k`: matrices whose rows are multiples of 256 are Q2_K, some 2.6 bits; others Q4_0.
 */
export const TWIN_KINDS = ["q4_0", "q2_k"] as const;
/** One of `TWIN_KINDS`. */
export type TwinKind = (typeof TWIN_KINDS)[number];

/** Precisions an expert can be computed with: the model file's own, or that of a twin. */
export const PRECISIONS = ["full", ...TWIN_KINDS] as const;
/** One of `PRECISIONS`. */
export type Precision = (typeof PRECISIONS)[number];

/** Policies whose residency can be simulated without knowledge of earlier text or of the future. */
export const MISS_POLICIES = [
  "lru",
  "lfu",
  "arc",
  "fate",
  "moe-infinity",
  "least-stale",
  "mrs",
  "on-demand",
] as const;
/** One of `MISS_POLICIES`. */
export type MissPolicy = (typeof MISS_POLICIES)[number];
