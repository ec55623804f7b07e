/** Names of the predictors, for configs; `registry.ts` maps each to its definition. */
export const PREDICTOR_NAMES = [
  "none",
  "cross-layer",
  "correlation",
  "activation-matrix",
  "previous-token",
  "popularity",
  "layer-map",
  "corrected-gate",
] as const;
/** One of `PREDICTOR_NAMES`. */
export type PredictorName = (typeof PREDICTOR_NAMES)[number];
