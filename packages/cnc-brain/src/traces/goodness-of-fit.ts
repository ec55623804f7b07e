import { requireSetting } from "../errors.ts";
import type { Distribution } from "./distributions.ts";

/** How well a sample fits what it was drawn for. */
export interface FitStatistic {
  statistic: number;
  /** Probability of a statistic at least as large if it fits. */
  pValue: number;
}

/**
 * Kolmogorov's and Smirnov's test of a sample against a continuous distribution.
 *
 * @see Stephens 1970 for the correction to finite samples; p is good to about 0.01 from n = 20 on
 */
export function ksTest(sample: readonly number[], { cdf }: Distribution): FitStatistic {
  requireSetting(sample.length > 0, "sample", sample.length, "at least one value");
  const sorted = [...sample].sort((a, b) => a - b);
  const n = sorted.length;
  let statistic = 0;
  sorted.forEach((x, i) => {
    const p = cdf(x);
    statistic = Math.max(statistic, p - i / n, (i + 1) / n - p);
  });
  const root = Math.sqrt(n);
  return { statistic, pValue: kolmogorovTail((root + 0.12 + 0.11 / root) * statistic) };
}

/** P(K > x) of Kolmogorov's limit distribution. */
export function kolmogorovTail(x: number): number {
  if (x < 0.2) return 1;
  let sum = 0;
  for (let k = 1; k <= 100; k++) sum += (k % 2 === 1 ? 2 : -2) * Math.exp(-2 * k * k * x * x);
  return Math.min(1, Math.max(0, sum));
}

/**
 * Pearson's chi-square test of counts against shares; the p-value by Wilson's and Hilferty's
 * normal approximation, good to about 0.01 from three classes on.
 */
export function chiSquareTest(
  counts: readonly number[],
  shares: readonly number[],
  normalTail: (z: number) => number,
): FitStatistic {
  const total = counts.reduce((a, b) => a + b, 0);
  const all = shares.reduce((a, b) => a + b, 0);
  const statistic = counts.reduce((sum, count, i) => {
    const expected = ((shares[i] as number) / all) * total;
    return sum + (count - expected) ** 2 / expected;
  }, 0);
  const degrees = counts.length - 1;
  const spread = 2 / (9 * degrees);
  const z = (Math.cbrt(statistic / degrees) - (1 - spread)) / Math.sqrt(spread);
  return { statistic, pValue: normalTail(z) };
}
