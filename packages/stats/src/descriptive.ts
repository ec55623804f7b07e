import { requireSample, StatsError } from "./errors.ts";

/**
 * The arithmetic mean, summed with compensation so that its error does not grow with the count.
 *
 * @throws StatsError `TOO_FEW_SEEDS` for no values, `NON_FINITE_VALUE`
 */
export function mean(values: readonly number[]): number {
  requireSample(values, 1);
  return sum(values) / values.length;
}

/**
 * The unbiased sample variance (divisor n - 1), by two passes.
 *
 * @throws StatsError `TOO_FEW_SEEDS` for n < 2, `NON_FINITE_VALUE`
 */
export function variance(values: readonly number[]): number {
  requireSample(values, 2);
  const center = mean(values);
  const deviations = values.map((value) => value - center);
  const squares = sum(deviations.map((d) => d * d));
  // The second term is zero in exact arithmetic; it takes out the rounding of the center.
  const drift = sum(deviations);
  return (squares - (drift * drift) / values.length) / (values.length - 1);
}

/** The square root of `variance`, in the values' own unit; throws as it does. */
export function standardDeviation(values: readonly number[]): number {
  return Math.sqrt(variance(values));
}

/**
 * The value below which the share `probability` lies, linear between order statistics (type 7 of
 * Hyndman and Fan 1996, the default of R and NumPy).
 *
 * @param probability 0..1, both included
 * @throws StatsError `TOO_FEW_SEEDS` for no values, `NON_FINITE_VALUE`, `BAD_ARGUMENT`
 */
export function quantile(values: readonly number[], probability: number): number {
  requireSample(values, 1);
  if (!(probability >= 0 && probability <= 1)) {
    throw new StatsError(`probability must be in 0..1, got ${probability}`, {
      code: "BAD_ARGUMENT",
      name: "probability",
      value: probability,
    });
  }
  const sorted = [...values].sort((a, b) => a - b);
  const place = (sorted.length - 1) * probability;
  const below = Math.floor(place);
  const low = sorted[below] as number;
  const high = sorted[Math.min(below + 1, sorted.length - 1)] as number;
  // The minimum guards the end against rounding beyond `high`.
  return Math.min(low + (place - below) * (high - low), high);
}

/** The middle value; throws as `quantile`. */
export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/**
 * exp of the mean logarithm: the mean for ratios.
 *
 * @throws StatsError `TOO_FEW_SEEDS` for no values, `NON_FINITE_VALUE`, `NOT_POSITIVE`
 */
export function geometricMean(values: readonly number[]): number {
  return Math.exp(mean(logarithms(values)));
}

/** @throws StatsError `NON_FINITE_VALUE`, `NOT_POSITIVE` */
export function logarithms(values: readonly number[]): number[] {
  requireSample(values, 0);
  return values.map((value, index) => {
    if (value <= 0) {
      throw new StatsError(`value ${index} is ${value}; ratios need numbers above zero`, {
        code: "NOT_POSITIVE",
        index,
        value,
      });
    }
    return Math.log(value);
  });
}

/** @see Neumaier 1974: Kahan's summation that also holds when a term outgrows the sum. */
function sum(values: readonly number[]): number {
  let total = 0;
  let lost = 0;
  for (const value of values) {
    const next = total + value;
    lost += Math.abs(total) >= Math.abs(value) ? total - next + value : value - next + total;
    total = next;
  }
  return total + lost;
}
