import { mean, quantile } from "./descriptive.ts";
import { requireOpenUnit, requireSample, StatsError } from "./errors.ts";
import { DEFAULT_LEVEL, SEEDS_MIN } from "./interval.ts";

/** Where resampling takes its chance from; a `Prng` of @fmlab/sim is one. */
export interface RandomSource {
  /** A uniform integer in [0, bound). */
  nextInt(bound: number): number;
}

/** A statistic of a sample with its bootstrap interval. */
export interface BootstrapInterval {
  /** The statistic of the sample itself. */
  estimate: number;
  low: number;
  high: number;
  n: number;
  level: number;
  resamples: number;
}

/** What to bootstrap and how; the default is the mean at 95 % from 10,000 resamples. */
export interface BootstrapOptions {
  statistic?: (sample: readonly number[]) => number;
  level?: number;
  resamples?: number;
}

/**
 * Percentile bootstrap interval of any statistic: for medians, quantiles and other things that have
 * no t interval. With few seeds it is too narrow (n = 5 covers about 83 % at 95 % nominal for a
 * mean of normal values); prefer `meanCi` there.
 *
 * @param random seeded by the caller, so that a report can be made again
 * @throws StatsError `TOO_FEW_SEEDS` for n < 3, `NON_FINITE_VALUE`, `BAD_ARGUMENT`
 * @see Efron and Tibshirani 1993, An Introduction to the Bootstrap, chapter 13
 */
export function bootstrapCi(
  values: readonly number[],
  random: RandomSource,
  { statistic = mean, level = DEFAULT_LEVEL, resamples = 10_000 }: BootstrapOptions = {},
): BootstrapInterval {
  requireSample(values, SEEDS_MIN);
  requireOpenUnit("level", level);
  if (!Number.isInteger(resamples) || resamples < 100) {
    throw new StatsError(`resamples must be an integer >= 100, got ${resamples}`, {
      code: "BAD_ARGUMENT",
      name: "resamples",
      value: resamples,
    });
  }
  const estimates = Array.from({ length: resamples }, () =>
    statistic(values.map(() => values[random.nextInt(values.length)] as number)),
  );
  return {
    estimate: statistic(values),
    low: quantile(estimates, (1 - level) / 2),
    high: quantile(estimates, (1 + level) / 2),
    n: values.length,
    level,
    resamples,
  };
}
