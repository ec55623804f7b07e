/** A point of a drawn curve: one value, or a bucket's last, least and greatest. Null is a gap. */
export interface BucketPoint {
  /** Step of the point that gave `last`. */
  x: number;
  last: number | null;
  min: number | null;
  max: number | null;
  /** Points in it, gaps not counted. */
  n: number;
}

/** A curve for drawing. */
export interface BucketedCurve {
  /** Points in the range, with gaps. */
  n: number;
  gaps: number;
  /** Every point is there as it is. */
  raw: boolean;
  points: BucketPoint[];
}

/** Points of a curve in order, in pieces; may be read more than once. */
export type CurvePieces = () => AsyncIterable<{ steps: number[]; values: number[] }>;

/** How many points there are in the range, and where. */
export interface CurveExtent {
  n: number;
  gaps: number;
  /** Least and greatest x. */
  low: number;
  high: number;
}

type Visit = (x: number, value: number) => void;

/**
 * Reads a curve for drawing: as it is when it has at most `buckets` points, else the first and the
 * last point and between them equal stretches of x with least, greatest and last value.
 * Deterministic, and no extreme is lost. Memory is that of `buckets` points whatever the curve's
 * length.
 *
 * @param buckets 3..1000, the most points returned
 * @param known the extent, where it is known; otherwise the curve is read once more to find it
 */
export async function bucketCurve(
  pieces: CurvePieces,
  range: { xMin?: number | undefined; xMax?: number | undefined },
  buckets: number,
  known?: CurveExtent,
): Promise<BucketedCurve> {
  const { xMin = Number.NEGATIVE_INFINITY, xMax = Number.POSITIVE_INFINITY } = range;
  const each = async (visit: Visit) => {
    for await (const { steps, values } of pieces()) {
      for (const [i, x] of steps.entries()) {
        if (x >= xMin && x <= xMax) visit(x, values[i] ?? Number.NaN);
      }
    }
  };
  const { n, gaps, low, high } = known ?? (await measure(each));
  if (n <= buckets) {
    const points: BucketPoint[] = [];
    // A run that goes on may have grown since it was measured: what came later is left out.
    await each((x, value) => points.length < n && points.push(single(x, value)));
    return { n, gaps, raw: true, points };
  }

  const inner = new Array<BucketPoint | undefined>(buckets - 2);
  const ends: BucketPoint[] = [];
  let at = 0;
  await each((x, value) => {
    at++;
    if (at > n) return;
    if (at === 1 || at === n) ends.push(single(x, value));
    else {
      const share = high > low ? (x - low) / (high - low) : 0;
      const no = Math.min(inner.length - 1, Math.max(0, Math.floor(share * inner.length)));
      inner[no] = merge(inner[no], x, value);
    }
  });
  const [first, last] = ends;
  const points = [first, ...inner, last].filter((p) => p !== undefined);
  return { n, gaps, raw: false, points };
}

async function measure(each: (visit: Visit) => Promise<void>): Promise<CurveExtent> {
  const extent = { n: 0, gaps: 0, low: Number.POSITIVE_INFINITY, high: Number.NEGATIVE_INFINITY };
  await each((x, value) => {
    extent.n++;
    if (Number.isNaN(value)) extent.gaps++;
    extent.low = Math.min(extent.low, x);
    extent.high = Math.max(extent.high, x);
  });
  return extent;
}

function single(x: number, value: number): BucketPoint {
  if (Number.isNaN(value)) return { x, last: null, min: null, max: null, n: 0 };
  return { x, last: value, min: value, max: value, n: 1 };
}

function merge(bucket: BucketPoint | undefined, x: number, value: number): BucketPoint {
  if (bucket === undefined) return single(x, value);
  if (Number.isNaN(value)) return bucket;
  bucket.x = x;
  bucket.last = value;
  bucket.min = bucket.min === null || value < bucket.min ? value : bucket.min;
  bucket.max = bucket.max === null || value > bucket.max ? value : bucket.max;
  bucket.n++;
  return bucket;
}
