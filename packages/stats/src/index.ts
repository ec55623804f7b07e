export * from "./bootstrap.ts";
export * from "./claims/check-claims.ts";
export { loadClaims, type NamedClaim, parseClaim } from "./claims/load-claims.ts";
export { loadRunFolders, type RunFolder } from "./claims/load-run-folders.ts";
export { renderVerdicts } from "./claims/render-verdicts.ts";
export {
  geometricMean,
  mean,
  median,
  quantile,
  standardDeviation,
  variance,
} from "./descriptive.ts";
export * from "./distributions.ts";
export { StatsError, type StatsFailure } from "./errors.ts";
export {
  DEFAULT_LEVEL,
  type Interval,
  meanCi,
  pairedRatioCi,
  type RatioInterval,
  SEEDS_MIN,
} from "./interval.ts";
export * from "./significance.ts";
