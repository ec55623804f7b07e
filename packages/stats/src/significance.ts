import { logarithms, mean, variance } from "./descriptive.ts";
import { fairBinomialCdf, studentTwoSided } from "./distributions.ts";
import { requireSample, StatsError } from "./errors.ts";
import {
  backToRatio,
  DEFAULT_LEVEL,
  type Interval,
  meanCi,
  type RatioInterval,
  requirePaired,
  SEEDS_MIN,
  tInterval,
} from "./interval.ts";

/** What a t test finds: `left - right`. */
export interface TTest {
  /** Difference of the means, with its interval. */
  difference: Interval;
  t: number;
  degreesOfFreedom: number;
  /** Two-sided. */
  p: number;
}

/**
 * Student's paired t test: is the mean of `left[i] - right[i]` zero?
 *
 * The test for two configs run over the same seeds: what the seeds have in common cancels.
 *
 * @throws StatsError `NOT_PAIRED`, `TOO_FEW_SEEDS` for fewer than 3 pairs, `NON_FINITE_VALUE`
 */
export function pairedTTest(
  left: readonly number[],
  right: readonly number[],
  level = DEFAULT_LEVEL,
): TTest {
  requirePaired(left, right);
  requireSample(left, SEEDS_MIN);
  requireSample(right, SEEDS_MIN);
  const differences = left.map((value, i) => value - (right[i] as number));
  const error = Math.sqrt(variance(differences) / differences.length);
  return tTest(meanCi(differences, level), error, differences.length - 1);
}

/**
 * Welch's t test: do two independent samples have the same mean? Variances may differ.
 *
 * @returns `difference.n` is the smaller sample's size
 * @throws StatsError `TOO_FEW_SEEDS` for fewer than 3 in a sample, `NON_FINITE_VALUE`
 * @see Welch 1947, The Generalization of Student's Problem when Several Different Population
 *      Variances are Involved
 */
export function welchTest(
  left: readonly number[],
  right: readonly number[],
  level = DEFAULT_LEVEL,
): TTest {
  requireSample(left, SEEDS_MIN);
  requireSample(right, SEEDS_MIN);
  const a = variance(left) / left.length;
  const b = variance(right) / right.length;
  const error = Math.sqrt(a + b);
  // Without any spread the formula is 0 / 0; the interval is a point whatever the degrees are.
  const degrees =
    error === 0
      ? left.length + right.length - 2
      : (a + b) ** 2 / (a ** 2 / (left.length - 1) + b ** 2 / (right.length - 1));
  const n = Math.min(left.length, right.length);
  const difference = tInterval(mean(left) - mean(right), error, degrees, { n, level });
  return tTest(difference, error, degrees);
}

/**
 * `ours / peer` of independent samples: ratio of the geometric means, with Welch's interval of the
 * logarithms turned back.
 *
 * @throws StatsError `TOO_FEW_SEEDS`, `NON_FINITE_VALUE`, `NOT_POSITIVE`
 */
export function unpairedRatioCi(
  ours: readonly number[],
  peer: readonly number[],
  level = DEFAULT_LEVEL,
): RatioInterval {
  return backToRatio(welchTest(logarithms(ours), logarithms(peer), level).difference);
}

/**
 * The sign test: is `left[i] > right[i]` as likely as the opposite? Assumes nothing about the
 * distribution; equal pairs are left out.
 *
 * @returns the two-sided exact probability, 1 when all pairs are equal
 * @throws StatsError `NOT_PAIRED`, `NON_FINITE_VALUE`
 */
export function signTest(left: readonly number[], right: readonly number[]): number {
  requirePaired(left, right);
  requireSample(left, 1);
  requireSample(right, 1);
  const signs = left.map((value, i) => Math.sign(value - (right[i] as number)));
  const above = signs.filter((sign) => sign > 0).length;
  const below = signs.filter((sign) => sign < 0).length;
  if (above + below === 0) return 1;
  return Math.min(1, 2 * fairBinomialCdf(Math.min(above, below), above + below));
}

/**
 * Holm's correction: p values of several tests, raised so that the chance of any false alarm among
 * them stays at the level they are compared with. In the order given.
 *
 * @throws StatsError `BAD_ARGUMENT` for a p outside 0..1
 * @see Holm 1979, A Simple Sequentially Rejective Multiple Test Procedure
 */
export function holm(pValues: readonly number[]): number[] {
  for (const p of pValues) {
    if (p >= 0 && p <= 1) continue;
    throw new StatsError(`a p value must be in 0..1, got ${p}`, {
      code: "BAD_ARGUMENT",
      name: "pValues",
      value: p,
    });
  }
  const order = pValues.map((p, index) => ({ p, index })).sort((a, b) => a.p - b.p);
  const adjusted = new Array<number>(pValues.length);
  let floor = 0;
  for (const [rank, { p, index }] of order.entries()) {
    floor = Math.max(floor, Math.min(1, p * (pValues.length - rank)));
    adjusted[index] = floor;
  }
  return adjusted;
}

function tTest(difference: Interval, error: number, degreesOfFreedom: number): TTest {
  // Without spread, any difference is certain and none is none.
  const t = error === 0 ? difference.mean * Number.POSITIVE_INFINITY : difference.mean / error;
  const known = Number.isNaN(t) ? 0 : t;
  return { difference, t: known, degreesOfFreedom, p: studentTwoSided(known, degreesOfFreedom) };
}
