import { requireSetting } from "../errors.ts";
import type { Forecaster } from "./forecaster.ts";

/** What the forecast is made of; all as ln(1 + mean of those values). */
const SPANS = [
  [1, 1],
  [2, 2],
  [3, 3],
  [1, 5],
  [1, 10],
  [1, 15],
  [1, 60],
] as const;
/** The mean of ten values: where learning starts from. */
const START = 4;
/** Squared deviation of a weight from its start that is expected beforehand. */
const PRIOR_VARIANCE = 0.05;
/** By how much a weight's squared deviation grows from value to value: series change. */
const DRIFT_VARIANCE = 2e-5;

/**
 * A forecast that is learned as it goes: a regression on the values before and on the last season,
 * by a Kalman filter over weights that wander (recursive least squares). Its weights begin as a
 * moving average's and are held near to it, so that with few values it is one, and with many what
 * the series itself teaches. On the scale of ln(1 + x), where busy and quiet minutes count alike.
 *
 * Cost: O(features squared) a value.
 *
 * @param season values a season has; 0 or 1: none
 * @throws CncError `BAD_SETTING`
 * @see Haykin 2002, Adaptive Filter Theory, chapter 9
 */
export function learnedForecast(season: number): Forecaster {
  requireSetting(season >= 0, "season", season, "at least 0");
  const hasSeason = season > 1;
  const size = SPANS.length + (hasSeason ? 2 : 0);
  const weights = new Float64Array(size);
  weights[START] = 1;
  // Covariance of the weights, in units of the error's variance, [size, size].
  const spread = new Float64Array(size * size);
  for (let i = 0; i < size; i++) spread[i * size + i] = PRIOR_VARIANCE;
  const values: number[] = [];
  const memory = Math.max(60, season + 2);
  let largest = 0;
  const meanOf = (from: number, to: number): number => {
    let sum = 0;
    for (let back = from; back <= to; back++) sum += values[values.length - back] ?? 0;
    return sum / (to - from + 1);
  };
  const features = (): Float64Array => {
    const out = new Float64Array(size);
    SPANS.forEach(([from, to], i) => {
      // While the past is short, all there is of it.
      const reach = Math.max(1, Math.min(to, values.length));
      out[i] = Math.log1p(meanOf(Math.min(from, reach), reach));
    });
    if (hasSeason && values.length >= season) {
      out[SPANS.length] = Math.log1p(meanOf(season, season));
      out[SPANS.length + 1] = Math.log1p(meanOf(season - 1, Math.min(values.length, season + 1)));
    }
    return out;
  };
  const dot = (x: Float64Array) =>
    x.reduce((sum, value, i) => sum + value * (weights[i] as number), 0);
  return {
    name: "learned",
    predict() {
      const guess = Math.expm1(dot(features()));
      // Never far outside what has been seen.
      return Math.min(2 * largest, Math.max(0, guess));
    },
    observe(value) {
      const x = features();
      const error = Math.log1p(value) - dot(x);
      const px = new Float64Array(size);
      for (let i = 0; i < size; i++) {
        for (let k = 0; k < size; k++) {
          px[i] = (px[i] as number) + (spread[i * size + k] as number) * (x[k] as number);
        }
      }
      const scale = 1 + x.reduce((sum, xi, i) => sum + xi * (px[i] as number), 0);
      for (let i = 0; i < size; i++) {
        weights[i] = (weights[i] as number) + ((px[i] as number) / scale) * error;
        for (let k = 0; k < size; k++) {
          const at = i * size + k;
          const less = ((px[i] as number) * (px[k] as number)) / scale;
          spread[at] = (spread[at] as number) - less;
        }
        // Never less certain than at first.
        const own = i * size + i;
        const known = spread[own] as number;
        if (known < PRIOR_VARIANCE) spread[own] = known + DRIFT_VARIANCE;
      }
      largest = Math.max(value, largest);
      values.push(value);
      if (values.length > memory) values.shift();
    },
  };
}
