import type { TimelineSeries } from "@fmlab/experiment";
import { categoryColor } from "../charts/palette.ts";
import type { ChartTheme } from "../charts/use-chart-theme.ts";
import { formatNumber } from "../format/number.ts";
import { LANE_HEIGHT, type Span, ticks } from "./timeline-layout.ts";

export interface TimelineFrame {
  series: TimelineSeries;
  categories: readonly string[];
  span: Span;
  /** Space for the lanes' names, CSS pixels. */
  left: number;
  width: number;
  theme: ChartTheme;
  selected: number | null;
}

/** Draws lanes, bars and the time axis. */
export function drawTimeline(context: CanvasRenderingContext2D, frame: TimelineFrame): void {
  const { series, span, left, width, theme } = frame;
  const scale = (width - left - 8) / (span.endMs - span.startMs);
  const x = (ms: number) => left + (ms - span.startMs) * scale;
  drawGrid(context, frame, x);
  context.save();
  context.beginPath();
  context.rect(left, 0, width - left - 8, series.lanes.length * LANE_HEIGHT);
  context.clip();
  const colors = frame.categories.map((_, i) => categoryColor(i, theme.dark));
  const color = new Map(frame.categories.map((name, i) => [name, colors[i] ?? theme.muted]));
  series.events.forEach((event, index) => {
    if (event.endMs < span.startMs || event.startMs > span.endMs) return;
    const from = x(event.startMs);
    const length = Math.max(1, (event.endMs - event.startMs) * scale - (scale > 2 ? 0.5 : 0));
    const top = event.lane * LANE_HEIGHT + 5;
    context.fillStyle = color.get(event.category) ?? theme.muted;
    context.fillRect(from, top, length, LANE_HEIGHT - 10);
    if (index !== frame.selected) return;
    context.strokeStyle = theme.ink;
    context.lineWidth = 2;
    context.strokeRect(from - 1, top - 1, length + 2, LANE_HEIGHT - 8);
  });
  context.restore();
}

function drawGrid(
  context: CanvasRenderingContext2D,
  { series, span, left, width, theme }: TimelineFrame,
  x: (ms: number) => number,
): void {
  const bottom = series.lanes.length * LANE_HEIGHT;
  context.strokeStyle = theme.line;
  context.lineWidth = 1;
  context.fillStyle = theme.muted;
  context.textAlign = "center";
  for (const tick of ticks(span, Math.max(2, (width - left) / 90))) {
    const at = Math.round(x(tick)) + 0.5;
    context.beginPath();
    context.moveTo(at, 0);
    context.lineTo(at, bottom + 3);
    context.stroke();
    context.fillText(formatNumber(tick), at, bottom + 11);
  }
  context.fillText("time (ms)", left + (width - left) / 2, bottom + 26);
  context.textAlign = "right";
  series.lanes.forEach((name, lane) => {
    context.fillStyle = theme.muted;
    context.fillText(name, left - 8, (lane + 0.5) * LANE_HEIGHT, left - 8);
    context.beginPath();
    context.moveTo(left, (lane + 1) * LANE_HEIGHT + 0.5);
    context.lineTo(width - 8, (lane + 1) * LANE_HEIGHT + 0.5);
    context.stroke();
  });
}
