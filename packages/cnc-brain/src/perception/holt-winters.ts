import { requireSetting } from "../errors.ts";
import type { Forecaster } from "./forecaster.ts";

/** Smoothing of level, trend and season; chosen, not fitted, unless a caller fits them. */
export interface HoltWintersOptions {
  alpha: number;
  beta: number;
  gamma: number;
  /** Values a season has; 0: no season. */
  season: number;
  /** Trend is multiplied by this at each step ahead (1: not damped). */
  damping: number;
}

const DEFAULTS: HoltWintersOptions = {
  alpha: 0.3,
  beta: 0.02,
  gamma: 0.1,
  season: 0,
  damping: 0.98,
};

/**
 * Holt's and Winters' exponential smoothing with additive season and damped trend. The first two
 * seasons (two values without a season) only set level, trend and season. Counts are not negative,
 * so neither is a forecast.
 *
 * @see Hyndman, Athanasopoulos 2021, Forecasting: Principles and Practice, 8.3
 */
export function holtWinters(options: Partial<HoltWintersOptions> = {}): Forecaster {
  const { alpha, beta, gamma, season, damping } = { ...DEFAULTS, ...options };
  for (const [name, value] of Object.entries({ alpha, beta, gamma, damping })) {
    requireSetting(value >= 0 && value <= 1, name, value, "in 0..1");
  }
  const length = Math.max(1, season);
  const first: number[] = [];
  const seasonal = new Float64Array(length);
  let level = 0;
  let trend = 0;
  let at = 0;
  return {
    name: "holt-winters",
    predict() {
      if (first.length < 2 * length) return first[first.length - length] ?? first.at(-1) ?? 0;
      return Math.max(0, level + damping * trend + (seasonal[at % length] as number));
    },
    observe(value) {
      if (first.length < 2 * length) {
        first.push(value);
        at++;
        if (first.length === 2 * length) {
          const mean = (from: number) =>
            first.slice(from, from + length).reduce((a, b) => a + b, 0) / length;
          trend = (mean(length) - mean(0)) / length;
          // The level at the last value: half a season after the middle of the second one.
          level = mean(length) + (trend * (length - 1)) / 2;
          for (let i = 0; season > 0 && i < length; i++) {
            const trendAt = (from: number) => mean(from) + trend * (i - (length - 1) / 2);
            const deviations = [0, length].map(
              (from) => (first[from + i] as number) - trendAt(from),
            );
            seasonal[i] = ((deviations[0] as number) + (deviations[1] as number)) / 2;
          }
        }
        return;
      }
      const expected = level + damping * trend;
      const usual = seasonal[at % length] as number;
      const before = level;
      level = alpha * (value - usual) + (1 - alpha) * expected;
      trend = beta * (level - before) + (1 - beta) * damping * trend;
      if (season > 0) seasonal[at % length] = gamma * (value - expected) + (1 - gamma) * usual;
      at++;
    },
  };
}
