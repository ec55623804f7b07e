import { STALL_CATEGORY, type TimelineSeries } from "@fmlab/experiment";
import { areaFill, hatch } from "../charts/fills.ts";
import { niceTicks } from "../charts/scale.ts";
import type { ChartTheme } from "../charts/use-chart-theme.ts";
import { laneDrawing } from "./timeline-columns.ts";
import {
  LANE_HEIGHT,
  type Span,
  type TimelineEvent,
  timeText,
  timeUnit,
} from "./timeline-layout.ts";

export interface TimelineFrame {
  series: TimelineSeries;
  /** Each lane's events by start, with their place in the series. */
  lanes: readonly { event: TimelineEvent; index: number }[][];
  /** Without `stall`, which has a look of its own. */
  categories: readonly string[];
  span: Span;
  /** Space for the lanes' names, CSS pixels. */
  left: number;
  width: number;
  theme: ChartTheme;
  selected: number | null;
}

type Fill = string | CanvasPattern;

const BAR_HEIGHT = LANE_HEIGHT - 10;
/** A column with anything in it is at least so high, as a share of the lane. */
const COLUMN_SHARE_MIN = 0.15;

/** The colour of waiting: hatched, so that it is told apart without colours too. */
export const stallColor = (theme: ChartTheme): string => (theme.dark ? "#ff8a80" : "#c62828");

/** Draws lanes, bars, bubbles and the time axis; true when narrow bars were summed. */
export function drawTimeline(context: CanvasRenderingContext2D, frame: TimelineFrame): boolean {
  const { series, lanes, span, left, width, theme, categories } = frame;
  const scale = (width - left - 8) / (span.endMs - span.startMs);
  const x = (ms: number) => left + (ms - span.startMs) * scale;
  drawGrid(context, frame, x);
  context.save();
  context.beginPath();
  context.rect(left, 0, width - left - 8, series.lanes.length * LANE_HEIGHT);
  context.clip();
  const fills = new Map<string, Fill>(
    categories.map((name, i) => [name, areaFill(context, i, theme)]),
  );
  fills.set(STALL_CATEGORY, hatch(context, stallColor(theme), theme.panel));
  const columns = Math.max(1, Math.floor(width - left - 8));
  let isSummed = false;
  lanes.forEach((lane, at) => {
    const events = lane.map(({ event }) => event);
    const drawing = laneDrawing(events, span, columns);
    isSummed ||= drawing.shares.size > 0;
    drawColumns(context, drawing.shares, fills, left, at * LANE_HEIGHT + 5);
    for (const place of drawing.bars) {
      const event = events[place];
      if (event !== undefined) drawBar(context, event, fills.get(event.category), x, theme);
    }
  });
  drawSelected(context, frame, x);
  context.restore();
  return isSummed;
}

function drawBar(
  context: CanvasRenderingContext2D,
  event: TimelineEvent,
  fill: Fill | undefined,
  x: (ms: number) => number,
  theme: ChartTheme,
): void {
  const from = x(event.startMs);
  const length = Math.max(1, x(event.endMs) - from - 0.5);
  const top = event.lane * LANE_HEIGHT + 5;
  context.fillStyle = fill ?? theme.muted;
  context.fillRect(from, top, length, BAR_HEIGHT);
  if (event.category !== STALL_CATEGORY || length < 4) return;
  context.strokeStyle = stallColor(theme);
  context.lineWidth = 1;
  context.strokeRect(from + 0.5, top + 0.5, length - 1, BAR_HEIGHT - 1);
}

/** Each column from its foot up: what covers how much of its time, waiting on top. */
function drawColumns(
  context: CanvasRenderingContext2D,
  shares: ReadonlyMap<string, Float64Array>,
  fills: ReadonlyMap<string, Fill>,
  left: number,
  top: number,
): void {
  const heights = new Map<number, number>();
  const last = (name: string) => Number(name === STALL_CATEGORY);
  const names = [...shares.keys()].sort((a, b) => last(a) - last(b));
  for (const name of names) {
    context.fillStyle = fills.get(name) ?? "#888888";
    shares.get(name)?.forEach((share, column) => {
      if (share === 0) return;
      const below = heights.get(column) ?? 0;
      const height = Math.min(1 - below, Math.max(COLUMN_SHARE_MIN, share));
      if (height <= 0) return;
      heights.set(column, below + height);
      const y = top + (1 - below - height) * BAR_HEIGHT;
      context.fillRect(left + column, y, 1, height * BAR_HEIGHT);
    });
  }
}

function drawSelected(
  context: CanvasRenderingContext2D,
  { series, selected, theme }: TimelineFrame,
  x: (ms: number) => number,
): void {
  const event = selected === null ? undefined : series.events[selected];
  if (event === undefined) return;
  const from = x(event.startMs);
  const length = Math.max(1, x(event.endMs) - from);
  context.strokeStyle = theme.ink;
  context.lineWidth = 2;
  context.strokeRect(from - 1, event.lane * LANE_HEIGHT + 4, length + 2, LANE_HEIGHT - 8);
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
  for (const tick of niceTicks(span.startMs, span.endMs, Math.max(2, (width - left) / 90))) {
    const at = Math.round(x(tick)) + 0.5;
    context.beginPath();
    context.moveTo(at, 0);
    context.lineTo(at, bottom + 3);
    context.stroke();
    const text = timeText(tick, span);
    const half = context.measureText(text).width / 2;
    context.fillText(text, Math.min(at, width - half - 1), bottom + 11);
  }
  context.fillText(`time (${timeUnit(span)})`, left + (width - left) / 2, bottom + 26);
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
