import { requireSetting } from "../errors.ts";
import type { Forecaster } from "./forecaster.ts";

/** A forecaster that knows a whole distribution. */
export interface QuantileForecaster extends Forecaster {
  /** The value below which the next one lies with this probability; 0 while nothing is known. */
  quantile(probability: number): number;
}

/**
 * The distribution of the last `window` values, taken as that of the next one; the forecast is its
 * median or its mean. Knows no order in time, so it suits series that have none.
 */
export function histogramForecast(
  window: number,
  center: "mean" | "median" = "mean",
): QuantileForecaster {
  requireSetting(window >= 1, "window", window, "at least 1");
  const recent: number[] = [];
  const sorted: number[] = [];
  const quantile = (probability: number): number => {
    if (sorted.length === 0) return 0;
    const rank = Math.ceil(probability * sorted.length) - 1;
    return sorted[Math.min(sorted.length - 1, Math.max(0, rank))] as number;
  };
  let sum = 0;
  return {
    name: "histogram",
    quantile,
    predict: () =>
      center === "median" ? quantile(0.5) : sorted.length === 0 ? 0 : sum / sorted.length,
    observe(value) {
      recent.push(value);
      sorted.splice(placeOf(sorted, value), 0, value);
      sum += value;
      if (recent.length > window) {
        const oldest = recent.shift() as number;
        sorted.splice(placeOf(sorted, oldest), 1);
        sum -= oldest;
      }
    },
  };
}

/** Index of the first value that is not below. */
function placeOf(sorted: readonly number[], value: number): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sorted[middle] as number) < value) low = middle + 1;
    else high = middle;
  }
  return low;
}
