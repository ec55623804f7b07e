/// <reference path="./jstat.d.ts" />
import jStat from "jstat";
import { requireOpenUnit, StatsError } from "./errors.ts";

/**
 * Student's t: the x below which the share `probability` lies, to 7 digits (as jStat's integral).
 *
 * @param probability 0 < p < 1
 * @param degreesOfFreedom > 0, need not be an integer (Welch)
 * @throws StatsError `BAD_ARGUMENT`
 */
export function studentQuantile(probability: number, degreesOfFreedom: number): number {
  requireOpenUnit("probability", probability);
  requireDegrees(degreesOfFreedom);
  if (probability === 0.5) return 0;
  return jStat.studentt.inv(probability, degreesOfFreedom);
}

/**
 * The probability that |T| is at least |t| for Student's t, without loss for large |t|.
 *
 * @throws StatsError `BAD_ARGUMENT`
 */
export function studentTwoSided(t: number, degreesOfFreedom: number): number {
  requireDegrees(degreesOfFreedom);
  if (t === 0) return 1;
  if (!Number.isFinite(t)) return Number.isNaN(t) ? Number.NaN : 0;
  return jStat.ibeta(degreesOfFreedom / (degreesOfFreedom + t * t), degreesOfFreedom / 2, 0.5);
}

/** The probability of at most `successes` of `trials` fair coin tosses. */
export function fairBinomialCdf(successes: number, trials: number): number {
  return jStat.binomial.cdf(successes, trials, 0.5);
}

function requireDegrees(degreesOfFreedom: number): void {
  if (degreesOfFreedom > 0) return;
  throw new StatsError(`degrees of freedom must be above 0, got ${degreesOfFreedom}`, {
    code: "BAD_ARGUMENT",
    name: "degreesOfFreedom",
    value: degreesOfFreedom,
  });
}
