/** What a prompt may be evaluated with, for configs. */
export const PREFILL_STRATEGIES = [
  "load-on-demand",
  "moe-infinity",
  "fate",
  "waves",
  "waves-gated",
  "planned",
] as const;
/** One of `PREFILL_STRATEGIES`. */
export type PrefillStrategyName = (typeof PREFILL_STRATEGIES)[number];

/** What they are called. */
export const PREFILL_TITLES: Readonly<Record<PrefillStrategyName, string>> = {
  "load-on-demand": "Load on demand",
  "moe-infinity": "MoE-Infinity",
  fate: "Fate",
  waves: "Waves",
  "waves-gated": "Waves, cross-layer gate",
  planned: "Planned",
};
