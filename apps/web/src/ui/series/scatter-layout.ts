import { type PointRef, paretoFront, type ScatterSeries } from "@fmlab/experiment";
import { type Scale, scaleTicks, tickText, toPixel } from "../charts/scale.ts";

/** A point as it is drawn. */
export interface Dot extends PointRef {
  x: number;
  y: number;
}

export interface ScatterLayout {
  width: number;
  height: number;
  x: Scale;
  y: Scale;
  xTicks: number[];
  yTicks: number[];
  /** Every shown point that has a y, from left to right. */
  dots: Dot[];
  /** The front of the shown points, from left to right. */
  front: Dot[];
  /** Groups' joined lines, broken at points without a y. */
  joins: { group: number; line: Place[] }[];
  /** The front as steps. */
  steps: Place[];
  bounds: { bound: number; line: Place[] }[];
}

/** A place in the picture, CSS pixels. */
export interface Place {
  x: number;
  y: number;
}

const HEIGHT = 320;
/** Bounds stretch the axes to so many times what the points need, and are cut off beyond. */
const BOUND_STRETCH = 1.6;

/**
 * Places points in a width.
 *
 * @param shown indices of the groups that are drawn
 * @param bounds indices of the bounds that are drawn
 */
export function scatterLayout(
  series: ScatterSeries,
  shown: readonly number[],
  bounds: readonly number[],
  width: number,
): ScatterLayout {
  const points = shown.flatMap((group) =>
    (series.groups[group]?.points ?? []).flatMap((one) => (one.y === null ? [] : [one])),
  );
  const curves = bounds.flatMap((at) => series.bounds[at]?.points ?? []);
  const yRange = axisRange(
    series.y.scale,
    points.flatMap(({ y, low, high }) => [y, low, high]),
    curves.map(({ y }) => y),
  );
  const xRange = axisRange(
    series.x.scale,
    points.flatMap(({ x, xLow, xHigh }) => [x, xLow, xHigh]),
    curves.map(({ x }) => x),
  );
  const bottom = HEIGHT - 38;
  const y: Scale = { kind: series.y.scale, ...yRange, from: bottom, to: 8 };
  const yTicks = scaleTicks(y, 6, series.y.unit);
  const tickLength = Math.max(1, ...yTicks.map((tick) => tickText(tick, series.y.unit).length));
  const left = 24 + 6.5 * tickLength;
  const x: Scale = { kind: series.x.scale, ...xRange, from: left, to: width - 10 };
  const xTicks = scaleTicks(x, Math.max(2, (width - left) / 80), series.x.unit);
  const dot = ({ group, point }: PointRef): Dot | null => {
    const one = series.groups[group]?.points[point];
    if (one === undefined || one.y === null) return null;
    return { group, point, x: toPixel(x, one.x), y: toPixel(y, one.y) };
  };
  const all = shown.flatMap((group) =>
    (series.groups[group]?.points ?? []).flatMap((_, point) => dot({ group, point }) ?? []),
  );
  const refs = series.front ? paretoFront(series, (group) => shown.includes(group)) : [];
  const front = refs.flatMap((ref) => dot(ref) ?? []);
  return {
    width,
    height: HEIGHT,
    x,
    y,
    xTicks,
    yTicks,
    dots: all.sort((a, b) => a.x - b.x || b.y - a.y),
    front,
    joins: shown.flatMap((group) => joinsOf(series, group, dot)),
    steps: frontSteps(front, series.x.better),
    bounds: bounds.map((bound) => {
      const points = series.bounds[bound]?.points ?? [];
      return { bound, line: points.map((at) => ({ x: toPixel(x, at.x), y: toPixel(y, at.y) })) };
    }),
  };
}

function joinsOf(series: ScatterSeries, group: number, dot: (ref: PointRef) => Dot | null) {
  const { joined = false, points = [] } = series.groups[group] ?? {};
  const pieces: Place[][] = [[]];
  if (!joined) return [];
  points.forEach((_, point) => {
    const place = dot({ group, point });
    if (place === null) pieces.push([]);
    else pieces.at(-1)?.push(place);
  });
  return pieces.filter((line) => line.length > 1).map((line) => ({ group, line }));
}

/** What an axis shows: all points with some air, and bounds as far as they do not squeeze them. */
export function axisRange(
  kind: Scale["kind"],
  values: readonly (number | null | undefined)[],
  bounds: readonly number[],
): { min: number; max: number } {
  const fit = (value: number | null | undefined): value is number =>
    value !== null && value !== undefined && (kind === "linear" || value > 0);
  const own = values.filter(fit);
  const drawn = own.length > 0 ? own : bounds.filter(fit);
  if (drawn.length === 0) return kind === "log" ? { min: 1, max: 10 } : { min: 0, max: 1 };
  const range = { min: smallest(drawn), max: largest(drawn) };
  return kind === "log" ? logRange(range, bounds.filter(fit)) : linearRange(range, bounds);
}

function linearRange(range: { min: number; max: number }, bounds: readonly number[]) {
  // An axis begins at 0 unless that would waste most of it.
  const isNearZero = range.min > 0 && range.min < 0.5 * range.max;
  const min = isNearZero ? 0 : range.min;
  const length = range.max - min || Math.abs(range.max) || 1;
  const top = Math.max(
    range.max,
    ...bounds.filter((value) => value <= min + BOUND_STRETCH * length),
  );
  const air = 0.06 * Math.max(length, top - min);
  const isFlat = range.max === min;
  if (isFlat && min === 0) return { min: 0, max: Math.max(1, top) };
  return {
    min: min === 0 && !isFlat ? 0 : min - (isFlat ? length / 2 : air),
    max: top + (isFlat ? length / 2 : air),
  };
}

function logRange({ min, max }: { min: number; max: number }, bounds: readonly number[]) {
  const stretch = (max / min) ** (BOUND_STRETCH - 1) || 1;
  const near = bounds.filter((value) => value <= max * stretch && value >= min / stretch);
  const low = Math.min(min, smallest(near));
  const high = Math.max(max, largest(near));
  const air = low === high ? 1.5 : (high / low) ** 0.06;
  return { min: low / air, max: high * air };
}

const smallest = (list: readonly number[]) =>
  list.reduce((min, value) => Math.min(min, value), Number.POSITIVE_INFINITY);
const largest = (list: readonly number[]) =>
  list.reduce((max, value) => Math.max(max, value), Number.NEGATIVE_INFINITY);

/** The point nearest to a pointer, within reach; null when none is. */
export function dotAt(dots: readonly Dot[], x: number, y: number, reach = 24): Dot | null {
  let best: Dot | null = null;
  let bestDistance = reach;
  for (const dot of dots) {
    const distance = Math.hypot(dot.x - x, dot.y - y);
    if (distance > bestDistance) continue;
    best = dot;
    bestDistance = distance;
  }
  return best;
}

/** The point a key leads to: from left to right over all shown groups. */
export function moveDot(dots: readonly Dot[], from: PointRef | null, key: string): Dot | null {
  const last = dots.length - 1;
  const at = dots.findIndex((dot) => isSame(dot, from));
  const targets: Record<string, number> = {
    ArrowLeft: at < 0 ? last : at - 1,
    ArrowRight: at + 1,
    Home: 0,
    End: last,
  };
  const next = targets[key];
  if (next === undefined || last < 0) return null;
  return dots[Math.min(last, Math.max(0, next))] ?? null;
}

/** True for two names of one point. */
export function isSame(a: PointRef, b: PointRef | null): boolean {
  return b !== null && a.group === b.group && a.point === b.point;
}

/**
 * The front as steps: how good one axis can be when the other may not be worse than here. In
 * pixels, from left to right.
 */
export function frontSteps(front: readonly Dot[], xBetter: "higher" | "lower" | "none"): Place[] {
  return front.flatMap((dot, i) => {
    const before = front[i - 1];
    if (before === undefined) return [{ x: dot.x, y: dot.y }];
    const corner = xBetter === "lower" ? { x: dot.x, y: before.y } : { x: before.x, y: dot.y };
    return [corner, { x: dot.x, y: dot.y }];
  });
}
