import type { LogitRow, RowStatistics } from "./log-softmax.ts";

/** Beyond this the difference of two log-probabilities is large enough to subtract directly. */
const SMALL_DIFFERENCE = 1;

/**
 * KL divergence of the distribution `other` from `full`: sum of p ln(p / q), nats. Computed as the
 * sum of p d + q - p with d = ln p - ln q, whose terms are at least 0: nothing cancels between
 * terms, equal rows give exactly 0, and no rounding makes the sum negative.
 *
 * @param full   logits of p with their statistics
 * @param other  logits of q with theirs, of the same length
 */
export function klDivergence(
  full: LogitRow,
  fullStatistics: RowStatistics,
  other: LogitRow,
  otherStatistics: RowStatistics,
): number {
  const shift = otherStatistics.logSum - fullStatistics.logSum;
  let sum = 0;
  for (let i = 0; i < full.count; i++) {
    const a = full.logits[full.first + i] ?? 0;
    const b = other.logits[other.first + i] ?? 0;
    const d = a - b + shift;
    const p = Math.exp(a - fullStatistics.logSum);
    // q - p = p (exp(-d) - 1), exact for small d.
    const change =
      Math.abs(d) < SMALL_DIFFERENCE
        ? p * Math.expm1(-d)
        : Math.exp(b - otherStatistics.logSum) - p;
    sum += Math.max(0, p * d + change);
  }
  return sum;
}
