/** Names of prefetch controls, for configs; see `prefetch-control.ts`. */
export const PREFETCH_CONTROLS = ["off", "fixed", "fate", "adaptive"] as const;
/** One of `PREFETCH_CONTROLS`. */
export type PrefetchControlName = (typeof PREFETCH_CONTROLS)[number];
