import { ShardChainError } from "../errors.ts";

/** One measured load. */
export interface LoadPoint {
  readonly offeredTps: number;
  readonly goodputTps: number;
}

/** When a load counts as sustained, and how closely to look. */
export interface SaturationOptions {
  /** Load to begin with, transactions a second. */
  readonly startTps: number;
  /** Give up above this load. */
  readonly maxTps: number;
  /** A load is sustained when goodput reaches this share of it. Default 0.95. */
  readonly sustainedShare?: number;
  /** Stop when the bounds are this close, as a share of the lower. Default 0.05. */
  readonly precision?: number;
}

/** Where a system saturates. */
export interface Saturation {
  /** The highest load found sustained; 0 when not even the first step below `startTps` was. */
  readonly sustainedTps: number;
  /** The lowest load found not sustained; undefined when all up to `maxTps` were. */
  readonly unsustainedTps: number | undefined;
  /** The largest goodput seen at any load. */
  readonly peakGoodputTps: number;
  /** Every load measured, in order. */
  readonly points: readonly LoadPoint[];
}

/** Halvings below the start before a system counts as sustaining nothing. */
const HALVINGS_MAX = 10;

/**
 * Finds the load at which goodput falls behind: doubles until that happens, then bisects. Each load
 * is measured from scratch, so no point suffers from the backlog of another.
 *
 * @param measure runs the system under an open load and tells what became of it
 * @throws ShardChainError `BAD_SETTING`
 */
export async function findSaturation(
  measure: (offeredTps: number) => Promise<LoadPoint>,
  { startTps, maxTps, sustainedShare = 0.95, precision = 0.05 }: SaturationOptions,
): Promise<Saturation> {
  if (!(startTps > 0 && startTps <= maxTps && Number.isFinite(maxTps))) {
    throw new ShardChainError(`startTps must be above 0 and at most maxTps, got ${startTps}`, {
      code: "BAD_SETTING",
      setting: "startTps",
      value: startTps,
      expected: `a number in 0..${maxTps}`,
    });
  }
  const points: LoadPoint[] = [];
  const sustains = async (offeredTps: number) => {
    const point = await measure(offeredTps);
    points.push(point);
    return point.goodputTps >= sustainedShare * offeredTps;
  };
  let low = 0;
  let high: number | undefined;
  for (let load = startTps; high === undefined && low < maxTps; load = Math.min(2 * load, maxTps)) {
    if (await sustains(load)) low = load;
    else high = load;
  }
  for (let halvings = 0; low === 0 && high !== undefined && halvings < HALVINGS_MAX; halvings++) {
    if (await sustains(high / 2)) low = high / 2;
    else high /= 2;
  }
  while (low > 0 && high !== undefined && high - low > precision * low) {
    const middle = (low + high) / 2;
    if (await sustains(middle)) low = middle;
    else high = middle;
  }
  return {
    sustainedTps: low,
    unsustainedTps: high,
    peakGoodputTps: Math.max(...points.map(({ goodputTps }) => goodputTps)),
    points,
  };
}
