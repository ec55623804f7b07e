import { logarithms, mean, variance } from "./descriptive.ts";
import { studentQuantile } from "./distributions.ts";
import { requireOpenUnit, requireSample, StatsError } from "./errors.ts";

/** The confidence level where none is given. */
export const DEFAULT_LEVEL = 0.95;

/** Fewer seeds than this give no interval: with two, the 95 % factor is 12.7. */
export const SEEDS_MIN = 3;

/** A mean with its confidence interval, in the values' own unit. */
export interface Interval {
  mean: number;
  low: number;
  high: number;
  /** Independent values (seeds, or pairs of them) behind it. */
  n: number;
  /** Confidence level, e.g. 0.95. */
  level: number;
}

/** A ratio with its confidence interval; symmetric on the logarithmic scale. */
export interface RatioInterval {
  /** Geometric mean of the ratios. */
  ratio: number;
  low: number;
  high: number;
  n: number;
  level: number;
}

/**
 * Confidence interval of the mean over seeds.
 *
 * The replication unit is the seed: average within a seed before calling.
 *
 * @param bySeed one value per seed, in the metric's own unit; at least 3
 * @returns Student t with n - 1 degrees of freedom; a sample without spread gives a point
 * @throws StatsError `TOO_FEW_SEEDS`, `NON_FINITE_VALUE`, `BAD_ARGUMENT`
 * @example meanCi([10, 12, 11]) // { mean: 11, low: 8.516, high: 13.484, n: 3, level: 0.95 }
 */
export function meanCi(bySeed: readonly number[], level = DEFAULT_LEVEL): Interval {
  requireSample(bySeed, SEEDS_MIN);
  const n = bySeed.length;
  return tInterval(mean(bySeed), Math.sqrt(variance(bySeed) / n), n - 1, { n, level });
}

/**
 * `ours / peer` measured in pairs (same seed, or side by side in one process): geometric mean of
 * the ratios, and the t interval of their logarithms turned back.
 *
 * @param ours positive, `ours[i]` belongs to `peer[i]`; at least 3 pairs
 * @throws StatsError `NOT_PAIRED`, `TOO_FEW_SEEDS`, `NON_FINITE_VALUE`, `NOT_POSITIVE`
 * @example pairedRatioCi([110, 118, 113], [100, 104, 98]).ratio // 1.129
 */
export function pairedRatioCi(
  ours: readonly number[],
  peer: readonly number[],
  level = DEFAULT_LEVEL,
): RatioInterval {
  requirePaired(ours, peer);
  const below = logarithms(peer);
  const differences = logarithms(ours).map((value, i) => value - (below[i] as number));
  return backToRatio(meanCi(differences, level));
}

/** The interval of a mean of logarithms as one of a ratio. */
export function backToRatio(logs: Interval): RatioInterval {
  return {
    ratio: Math.exp(logs.mean),
    low: Math.exp(logs.low),
    high: Math.exp(logs.high),
    n: logs.n,
    level: logs.level,
  };
}

/** `mean` plus and minus the t quantile of `level` times the standard error. */
export function tInterval(
  center: number,
  standardError: number,
  degreesOfFreedom: number,
  { n, level }: { n: number; level: number },
): Interval {
  requireOpenUnit("level", level);
  const half =
    standardError === 0 ? 0 : studentQuantile((1 + level) / 2, degreesOfFreedom) * standardError;
  return { mean: center, low: center - half, high: center + half, n, level };
}

/** @throws StatsError `NOT_PAIRED` */
export function requirePaired(left: readonly number[], right: readonly number[]): void {
  if (left.length === right.length) return;
  throw new StatsError(
    `paired samples must have one value per pair; got ${left.length} and ${right.length}`,
    { code: "NOT_PAIRED", left: left.length, right: right.length },
  );
}
