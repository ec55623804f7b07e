import { ConformalIntervals, type ConformalOptions } from "./conformal.ts";
import type { Forecaster } from "./forecaster.ts";

/** How good one-step forecasts of a series were. */
export interface ForecastScore {
  count: number;
  sumAbsoluteError: number;
  sumActual: number;
  /** Of values above 0 only: absolute error over value. */
  sumPercentage: number;
  positiveCount: number;
  coveredCount: number;
  /** Widths of the intervals that have an end. */
  sumWidth: number;
  boundedCount: number;
}

/** One forecast with its interval and what came. */
export interface ForecastPoint {
  predicted: number;
  low: number;
  high: number;
  actual: number;
}

/**
 * Forecasts a series value by value, each from those before it only. The first `skip` values teach
 * and do not count.
 *
 * @param onPoint called for each counted value
 */
export function evaluateForecast(
  series: ArrayLike<number>,
  forecaster: Forecaster,
  intervals: ConformalOptions,
  skip: number,
  onPoint?: (point: ForecastPoint) => void,
): ForecastScore {
  const conformal = new ConformalIntervals(intervals);
  const score = emptyScore();
  for (let t = 0; t < series.length; t++) {
    const actual = series[t] as number;
    const predicted = forecaster.predict();
    const { low, high } = conformal.around(predicted);
    if (t >= skip) {
      count(score, { predicted, low, high, actual });
      onPoint?.({ predicted, low, high, actual });
    }
    conformal.observe(predicted, actual);
    forecaster.observe(actual);
  }
  return score;
}

/** A score of nothing. */
export function emptyScore(): ForecastScore {
  return {
    count: 0,
    sumAbsoluteError: 0,
    sumActual: 0,
    sumPercentage: 0,
    positiveCount: 0,
    coveredCount: 0,
    sumWidth: 0,
    boundedCount: 0,
  };
}

/** Adds one score to another. */
export function addScore(to: ForecastScore, from: ForecastScore): void {
  for (const key of Object.keys(to) as (keyof ForecastScore)[]) to[key] += from[key];
}

/** Weighted absolute percentage error: all errors over all values; of no values, NaN. */
export function wape(score: ForecastScore): number {
  return score.sumAbsoluteError / score.sumActual;
}

/** Mean absolute percentage error over values above 0. */
export function mape(score: ForecastScore): number {
  return score.sumPercentage / score.positiveCount;
}

function count(score: ForecastScore, { predicted, low, high, actual }: ForecastPoint): void {
  const error = Math.abs(actual - predicted);
  score.count++;
  score.sumAbsoluteError += error;
  score.sumActual += actual;
  if (actual > 0) {
    score.sumPercentage += error / actual;
    score.positiveCount++;
  }
  if (actual >= low && actual <= high) score.coveredCount++;
  if (Number.isFinite(high)) {
    score.sumWidth += high - low;
    score.boundedCount++;
  }
}

/**
 * Replicas to hold when one too few costs a cold start and one too many costs memory: the forecast
 * distribution's quantile at the critical ratio (the newsvendor's).
 */
export function newsvendorQuantile(coldCost: number, memoryCost: number): number {
  return coldCost / (coldCost + memoryCost);
}
