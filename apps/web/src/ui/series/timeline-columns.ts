import type { Span, TimelineEvent } from "./timeline-layout.ts";

/** Bars at least this wide are drawn as they are, CSS pixels. */
const BAR_WIDTH_MIN = 2;

/** A lane as it is drawn: wide bars by themselves, narrow ones summed in columns of one pixel. */
export interface LaneDrawing {
  /** Places in the lane's list. */
  bars: number[];
  /** Share of each column's time that narrow bars of each category cover: [category][column]. */
  shares: Map<string, Float64Array>;
}

/**
 * Splits the visible events of a lane into bars and summed columns. Thousands of bars narrower
 * than a pixel would otherwise cover each other, and the last one drawn would seem to be all.
 *
 * @param columns number of pixel columns the span is drawn on
 */
export function laneDrawing(
  events: readonly TimelineEvent[],
  span: Span,
  columns: number,
): LaneDrawing {
  const perMs = columns / (span.endMs - span.startMs);
  const bars: number[] = [];
  const shares = new Map<string, Float64Array>();
  events.forEach((event, place) => {
    if (event.endMs < span.startMs || event.startMs > span.endMs) return;
    const from = (event.startMs - span.startMs) * perMs;
    const to = (event.endMs - span.startMs) * perMs;
    // A moment without a length has no share of any time; it stays a bar.
    if (to - from >= BAR_WIDTH_MIN || event.endMs === event.startMs) {
      bars.push(place);
      return;
    }
    const row = shares.get(event.category) ?? new Float64Array(columns);
    shares.set(event.category, row);
    for (let column = Math.max(0, Math.floor(from)); column < Math.min(columns, to); column++) {
      const covered = Math.min(to, column + 1) - Math.max(from, column);
      row[column] = (row[column] ?? 0) + Math.max(0, covered);
    }
  });
  return { bars, shares };
}
