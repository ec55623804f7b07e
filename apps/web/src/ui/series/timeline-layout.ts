import type { TimelineSeries } from "@fmlab/experiment";

/** A visible part of the time axis, ms. */
export interface Span {
  startMs: number;
  endMs: number;
}

export type TimelineEvent = TimelineSeries["events"][number];

/** Height of a lane and the space under the lanes for the axis, CSS pixels. */
export const LANE_HEIGHT = 30;
export const AXIS_HEIGHT = 34;
/** Parts at least so long are read in seconds. */
const SECONDS_FROM_MS = 10_000;

/** From the first start to the last end. */
export function fullSpan(series: TimelineSeries): Span {
  let startMs = Number.POSITIVE_INFINITY;
  let endMs = Number.NEGATIVE_INFINITY;
  for (const event of series.events) {
    if (event.startMs < startMs) startMs = event.startMs;
    if (event.endMs > endMs) endMs = event.endMs;
  }
  if (startMs > endMs) return { startMs: 0, endMs: 1 };
  return { startMs, endMs: endMs > startMs ? endMs : startMs + 1 };
}

/** Zooms about a time; never further out than everything, never closer than a microsecond. */
export function zoomSpan(span: Span, aboutMs: number, factor: number, full: Span): Span {
  const length = Math.min(
    full.endMs - full.startMs,
    Math.max(0.001, (span.endMs - span.startMs) * factor),
  );
  const share = (aboutMs - span.startMs) / (span.endMs - span.startMs);
  return keepInside({ startMs: aboutMs - share * length, endMs: 0 }, length, full);
}

/** Moves the span by a share of its length. */
export function panSpan(span: Span, share: number, full: Span): Span {
  const length = span.endMs - span.startMs;
  return keepInside({ startMs: span.startMs + share * length, endMs: 0 }, length, full);
}

/** An event with as much before and after it as it is long, at least a hundredth of everything. */
export function spanAround(event: Span, full: Span): Span {
  const whole = full.endMs - full.startMs;
  const length = Math.min(whole, Math.max(whole / 100, 3 * (event.endMs - event.startMs)));
  const middle = (event.startMs + event.endMs) / 2;
  return keepInside({ startMs: middle - length / 2, endMs: 0 }, length, full);
}

/** The unit that the times of a visible part are told in. */
export const timeUnit = ({ startMs, endMs }: Span): "ms" | "s" =>
  endMs - startMs >= SECONDS_FROM_MS ? "s" : "ms";

/** A time without its unit, with as many digits as the visible part tells apart. */
export function timeText(ms: number, span: Span): string {
  const perUnit = timeUnit(span) === "s" ? 1_000 : 1;
  const digits = 3 - Math.ceil(Math.log10((span.endMs - span.startMs) / perUnit));
  const maximumFractionDigits = Math.min(6, Math.max(0, digits));
  return (ms / perUnit).toLocaleString("en-US", { maximumFractionDigits });
}

function keepInside(span: Span, length: number, full: Span): Span {
  const startMs = Math.min(full.endMs - length, Math.max(full.startMs, span.startMs));
  return { startMs, endMs: startMs + length };
}

/** Each lane's events by start, with their place in the series. */
export function lanesOf(series: TimelineSeries): { event: TimelineEvent; index: number }[][] {
  const lanes: { event: TimelineEvent; index: number }[][] = series.lanes.map(() => []);
  series.events.forEach((event, index) => {
    lanes[event.lane]?.push({ event, index });
  });
  for (const lane of lanes) lane.sort((a, b) => a.event.startMs - b.event.startMs);
  return lanes;
}

/**
 * The event of a lane that covers a time, within a tolerance; the latest one where they overlap.
 */
export function eventAt(
  lane: readonly { event: TimelineEvent; index: number }[],
  timeMs: number,
  toleranceMs: number,
): number | null {
  let low = 0;
  let high = lane.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((lane[middle]?.event.startMs ?? 0) <= timeMs + toleranceMs) low = middle + 1;
    else high = middle;
  }
  // Overlaps are few on a lane, so a short look back finds the bar that covers the time.
  for (let i = low - 1; i >= 0 && i >= low - 64; i--) {
    const entry = lane[i];
    if (entry !== undefined && entry.event.endMs + toleranceMs >= timeMs) return entry.index;
  }
  return null;
}
