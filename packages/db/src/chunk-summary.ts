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
  return finite(sum);
}

/** A whole curve's summary: `n` points of which `gaps` are gaps. */
export interface CurveSummary extends Omit<ChunkSummary, "stepMin" | "stepMax"> {
  n: number;
}

/**
 * Adds up the summaries of a curve's chunks, given in order. Done here and not in SQL, where a
 * product that underflows is an error.
 *
 * @see Chan, Golub, LeVeque 1979 for adding up means and m2 of parts
 */
export function combineSummaries(chunks: readonly (ChunkSummary & { n: number })[]): CurveSummary {
  const whole: CurveSummary = {
    n: 0,
    gaps: 0,
    last: null,
    min: null,
    max: null,
    mean: null,
    m2: null,
    stepOfMin: null,
    stepOfMax: null,
  };
  let kept = 0;
  for (const chunk of chunks) {
    whole.n += chunk.n;
    whole.gaps += chunk.gaps;
    const more = chunk.n - chunk.gaps;
    if (more === 0) continue;
    const mean = chunk.mean ?? Number.NaN;
    const before = whole.mean ?? mean;
    const apart = mean - before;
    whole.m2 =
      (whole.m2 ?? 0) + (chunk.m2 ?? Number.NaN) + apart * apart * ((kept * more) / (kept + more));
    whole.mean = before + apart * (more / (kept + more));
    kept += more;
    whole.last = chunk.last;
    if (chunk.min !== null && (whole.min === null || chunk.min < whole.min)) {
      whole.min = chunk.min;
      whole.stepOfMin = chunk.stepOfMin;
    }
    if (chunk.max !== null && (whole.max === null || chunk.max > whole.max)) {
      whole.max = chunk.max;
      whole.stepOfMax = chunk.stepOfMax;
    }
  }
  return finite(whole);
}

/** Values near the end of the number range overflow the mean or m2: then there is none. */
function finite<T extends { mean: number | null; m2: number | null }>(sum: T): T {
  if (sum.mean !== null && !Number.isFinite(sum.mean)) sum.mean = null;
  if (sum.m2 !== null && !Number.isFinite(sum.m2)) sum.m2 = null;
  return sum;
}
