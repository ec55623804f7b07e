import { STALL_CATEGORY, type TimelineSeries } from "@fmlab/experiment";
import { fullSpan, type Span, type TimelineEvent } from "./timeline-layout.ts";

/** What a lane waited in a part of the timeline. */
export interface LaneWait {
  lane: number;
  /** Time covered by bubbles, overlaps counted once. */
  waitMs: number;
  /** Share of the part, 0..1. */
  share: number;
  /** The bubbles, longest first, by their place in the series. */
  bubbles: number[];
}

/** Shorter gaps are the recording's own and no waiting, ms. */
const GAP_MIN_MS = 0.001;

/**
 * The timeline with an event of the category `stall` for every gap in the named lanes, from the
 * first start to the last end on any lane: filling and draining a pipeline are bubbles too.
 */
export function withGaps(series: TimelineSeries, gapLanes: readonly string[]): TimelineSeries {
  const lanes = gapLanes.map((name) => series.lanes.indexOf(name)).filter((lane) => lane >= 0);
  if (lanes.length === 0 || series.events.length === 0) return series;
  const whole = fullSpan(series);
  const gaps = lanes.flatMap((lane) => {
    const covered = union(series.events.filter((event) => event.lane === lane));
    const starts = [whole.startMs, ...covered.map(({ endMs }) => endMs)];
    const ends = [...covered.map(({ startMs }) => startMs), whole.endMs];
    return starts.flatMap((startMs, i): TimelineEvent[] => {
      const endMs = ends[i] ?? startMs;
      if (endMs - startMs < GAP_MIN_MS) return [];
      return [{ lane, startMs, endMs, label: "gap", category: STALL_CATEGORY }];
    });
  });
  return gaps.length === 0 ? series : { ...series, events: [...series.events, ...gaps] };
}

/** The waiting of every lane that has bubbles inside a part of the timeline. */
export function laneWaits(series: TimelineSeries, span: Span): LaneWait[] {
  return series.lanes.flatMap((_, lane) => {
    const inside = series.events.flatMap((event, index) =>
      event.lane === lane &&
      event.category === STALL_CATEGORY &&
      event.endMs > span.startMs &&
      event.startMs < span.endMs
        ? [{ event, index }]
        : [],
    );
    if (inside.length === 0) return [];
    const waitMs = union(inside.map(({ event }) => event)).reduce(
      (sum, { startMs, endMs }) =>
        sum + Math.min(endMs, span.endMs) - Math.max(startMs, span.startMs),
      0,
    );
    const length = ({ startMs, endMs }: Span) => endMs - startMs;
    inside.sort((a, b) => length(b.event) - length(a.event));
    const bubbles = inside.map(({ index }) => index);
    return [{ lane, waitMs, share: waitMs / length(span), bubbles }];
  });
}

/** The time that intervals cover, as intervals that do not touch, in order. */
export function union(intervals: readonly Span[]): Span[] {
  const sorted = [...intervals].sort((a, b) => a.startMs - b.startMs);
  const covered: Span[] = [];
  for (const { startMs, endMs } of sorted) {
    const last = covered.at(-1);
    if (last !== undefined && startMs <= last.endMs) last.endMs = Math.max(last.endMs, endMs);
    else covered.push({ startMs, endMs });
  }
  return covered;
}
