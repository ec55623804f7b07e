/** What one chunk of a curve adds up to; see `MetricChunk` in the schema. NaN marks a gap. */
export interface ChunkSummary {
  gaps: number;
  stepMin: number;
  stepMax: number;
  /** Last value that is no gap. All of the following are null when every value is a gap. */
  last: number | null;
  min: number | null;
  max: number | null;
  mean: number | null;
  /** Sum of squared deviations from the mean. */
  m2: number | null;
  /** Step of the first point that has the least value. */
  stepOfMin: number | null;
  stepOfMax: number | null;
}

/**
 * Sums up the points of one chunk.
 *
 * @param steps at least one, finite
 * @param values as many; a value that is not finite is a gap and only counted
 * @see Welford 1962 for mean and m2 in one pass
 */
export function summariseChunk(steps: readonly number[], values: readonly number[]): ChunkSummary {
  const sum: ChunkSummary = {
    gaps: 0,
    stepMin: Math.min(...steps),
    stepMax: Math.max(...steps),
    last: null,
    min: null,
    max: null,
    mean: null,
    m2: null,
    stepOfMin: null,
    stepOfMax: null,
  };
  let count = 0;
  for (const [i, value] of values.entries()) {
    if (!Number.isFinite(value)) {
      sum.gaps++;
      continue;
    }
    count++;
    const before = sum.mean ?? 0;
    const mean = before + (value - before) / count;
    sum.m2 = (sum.m2 ?? 0) + (value - before) * (value - mean);
    sum.mean = mean;
    sum.last = value;
    if (sum.min === null || value < sum.min) {
      sum.min = value;
      sum.stepOfMin = steps[i] ?? null;
    }
    if (sum.max === null || value > sum.max) {
      sum.max = value;
      sum.stepOfMax = steps[i] ?? null;
    }
  }
  return sum;
}
