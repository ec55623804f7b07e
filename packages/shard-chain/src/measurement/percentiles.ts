/** A percentile of a sample in which some values are only known to be at least so large. */
export interface Percentile {
  readonly ms: number;
  /** The true value may be larger: this one belongs to a transaction that had not ended. */
  readonly isLowerBound: boolean;
}

/**
 * The nearest-rank percentile: the smallest value that at least `percent` of the sample do not
 * exceed. Exact, no buckets. Values of transactions in flight take part with the time they have
 * waited so far, so that a system that hangs does not look fast.
 *
 * @param ended latencies, rising
 * @param waiting times waited so far of those that have not ended, rising
 * @param percent 0 < percent <= 100
 * @returns undefined for an empty sample
 */
export function percentileOf(
  ended: Float64Array,
  waiting: Float64Array,
  percent: number,
): Percentile | undefined {
  const count = ended.length + waiting.length;
  if (count === 0) return undefined;
  // The product is rounded first: 99.9 % of 1000 must be 999, not 999.0000000000001.
  const rank = Math.max(1, Math.ceil(Number(((percent * count) / 100).toFixed(6))));
  // Of the first `rank` values of both lists merged, `low` come from `ended`.
  let low = Math.max(0, rank - waiting.length);
  let high = Math.min(rank, ended.length);
  while (low < high) {
    const taken = (low + high) >>> 1;
    if ((ended[taken] as number) <= (waiting[rank - taken - 1] as number)) low = taken + 1;
    else high = taken;
  }
  const fromEnded = low > 0 ? (ended[low - 1] as number) : Number.NEGATIVE_INFINITY;
  const fromWaiting =
    rank - low > 0 ? (waiting[rank - low - 1] as number) : Number.NEGATIVE_INFINITY;
  const isLowerBound = fromWaiting > fromEnded || rank > ended.length;
  return { ms: Math.max(fromEnded, fromWaiting), isLowerBound };
}
