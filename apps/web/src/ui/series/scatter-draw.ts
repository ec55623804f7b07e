import type { PointRef, ScatterSeries } from "@fmlab/experiment";
import { markerPath } from "../charts/markers.tsx";
import { categoryColor, referenceDash } from "../charts/palette.ts";
import { axisText, tickText, toPixel } from "../charts/scale.ts";
import type { ChartTheme } from "../charts/use-chart-theme.ts";
import { placeLabels } from "./scatter-labels.ts";
import { type Dot, isSame, type ScatterLayout } from "./scatter-layout.ts";

export interface ScatterFrame {
  series: ScatterSeries;
  layout: ScatterLayout;
  showsFront: boolean;
  theme: ChartTheme;
  selected: PointRef | null;
}

/** More points than these are not all labelled, and are drawn smaller. */
const LABELLED_MAX = 40;
const SMALL_FROM = 600;

/** Draws axes, bounds, joined lines, intervals, points, the front and labels. */
export function drawScatter(context: CanvasRenderingContext2D, frame: ScatterFrame): void {
  drawAxes(context, frame);
  const { x, y } = frame.layout;
  context.save();
  context.beginPath();
  context.rect(x.from - 6, y.to - 8, x.to - x.from + 12, y.from - y.to + 14);
  context.clip();
  drawLines(context, frame);
  drawIntervals(context, frame);
  if (frame.showsFront) drawFront(context, frame);
  drawDots(context, frame);
  context.restore();
  drawLabels(context, frame);
}

function drawAxes(context: CanvasRenderingContext2D, { series, layout, theme }: ScatterFrame) {
  const { x, y, xTicks, yTicks } = layout;
  context.strokeStyle = theme.line;
  context.fillStyle = theme.muted;
  context.lineWidth = 1;
  context.textAlign = "center";
  for (const tick of xTicks) {
    const at = Math.round(toPixel(x, tick)) + 0.5;
    path(context, [
      { x: at, y: y.to },
      { x: at, y: y.from + 3 },
    ]);
    const text = tickText(tick, series.x.unit);
    const half = context.measureText(text).width / 2;
    context.fillText(text, Math.min(at, layout.width - half - 1), y.from + 11);
  }
  context.textAlign = "right";
  for (const tick of yTicks) {
    const at = Math.round(toPixel(y, tick)) + 0.5;
    path(context, [
      { x: x.from - 3, y: at },
      { x: x.to, y: at },
    ]);
    context.fillText(tickText(tick, series.y.unit), x.from - 6, at);
  }
  context.textAlign = "center";
  const name = (axis: ScatterSeries["x"]) =>
    axisText(axis.label, axis.unit) + (axis.scale === "log" ? ", log scale" : "");
  context.fillText(name(series.x), (x.from + x.to) / 2, layout.height - 9);
  context.translate(8, (y.from + y.to) / 2);
  context.rotate(-Math.PI / 2);
  context.fillText(name(series.y), 0, 0, layout.height);
  context.rotate(Math.PI / 2);
  context.translate(-8, -(y.from + y.to) / 2);
}

function drawLines(context: CanvasRenderingContext2D, { layout, theme }: ScatterFrame): void {
  context.save();
  context.strokeStyle = theme.ink;
  context.lineWidth = 1.5;
  for (const { bound, line } of layout.bounds) {
    context.setLineDash(referenceDash(bound));
    path(context, line);
  }
  context.setLineDash([]);
  for (const { group, line } of layout.joins) {
    context.strokeStyle = categoryColor(group, theme.dark);
    path(context, line);
  }
  context.restore();
}

function drawIntervals(context: CanvasRenderingContext2D, { series, layout, theme }: ScatterFrame) {
  context.lineWidth = 1;
  for (const dot of layout.dots) {
    const one = series.groups[dot.group]?.points[dot.point];
    context.strokeStyle = categoryColor(dot.group, theme.dark);
    const { low = null, high = null, xLow = null, xHigh = null } = one ?? {};
    if (low !== null && high !== null) {
      const [from, to] = [toPixel(layout.y, low), toPixel(layout.y, high)];
      for (const piece of [
        [dot.x, from, dot.x, to],
        [dot.x - 3, from, dot.x + 3, from],
        [dot.x - 3, to, dot.x + 3, to],
      ]) {
        segment(context, piece);
      }
    }
    if (xLow !== null && xHigh !== null) {
      const [from, to] = [toPixel(layout.x, xLow), toPixel(layout.x, xHigh)];
      for (const piece of [
        [from, dot.y, to, dot.y],
        [from, dot.y - 3, from, dot.y + 3],
        [to, dot.y - 3, to, dot.y + 3],
      ]) {
        segment(context, piece);
      }
    }
  }
}

function drawFront(context: CanvasRenderingContext2D, { layout, theme }: ScatterFrame) {
  context.strokeStyle = theme.muted;
  context.lineWidth = 2;
  path(context, layout.steps);
  context.strokeStyle = theme.ink;
  context.lineWidth = 1.5;
  for (const dot of layout.front) {
    context.beginPath();
    context.arc(dot.x, dot.y, 7.5, 0, 2 * Math.PI);
    context.fillStyle = theme.panel;
    context.fill();
    context.stroke();
  }
}

function drawDots(context: CanvasRenderingContext2D, frame: ScatterFrame): void {
  const { layout, theme, selected } = frame;
  const radius = layout.dots.length >= SMALL_FROM ? 2.5 : 4;
  const forms = new Map<number, Path2D>();
  for (const dot of layout.dots) {
    const form = forms.get(dot.group) ?? new Path2D(markerPath(dot.group, radius));
    forms.set(dot.group, form);
    context.save();
    context.translate(dot.x, dot.y);
    context.fillStyle = categoryColor(dot.group, theme.dark);
    context.fill(form);
    context.strokeStyle = theme.panel;
    context.lineWidth = 0.75;
    context.stroke(form);
    context.restore();
  }
  const chosen = layout.dots.find((dot) => isSame(dot, selected));
  if (chosen === undefined) return;
  context.strokeStyle = theme.ink;
  context.lineWidth = 2;
  context.beginPath();
  context.arc(chosen.x, chosen.y, 9.5, 0, 2 * Math.PI);
  context.stroke();
}

function drawLabels(context: CanvasRenderingContext2D, frame: ScatterFrame): void {
  const { series, layout, theme, selected } = frame;
  const { dots, front, x, y } = layout;
  const isChosen = (dot: Dot) => isSame(dot, selected);
  const isOnFront = (dot: Dot) => frame.showsFront && front.some((one) => isSame(dot, one));
  // Where there is a front, its points are what a reader looks for.
  const most = front.length > 0 && frame.showsFront ? 0 : LABELLED_MAX;
  const rest = dots.length <= most ? dots : dots.filter(isOnFront);
  const wanted = [...dots.filter(isChosen), ...rest.filter((dot) => !isChosen(dot))];
  const textOf = (dot: Dot) => {
    const label = series.groups[dot.group]?.points[dot.point]?.label ?? "";
    return label.length > 28 ? `${label.slice(0, 27)}…` : label;
  };
  const lines = [
    ...layout.joins.map(({ line }) => line),
    ...layout.bounds.map(({ line }) => line),
    ...(frame.showsFront ? [layout.steps] : []),
  ];
  const plot = { left: x.from, right: x.to + 6, top: y.to - 6, bottom: y.from - 1 };
  const mayCross = (dot: Dot) => isChosen(dot) || isOnFront(dot);
  const placed = placeLabels({ wanted, dots, lines, mayCross, textOf, plot });
  context.textAlign = "left";
  for (const { text, x: left, y: middle, ...ref } of placed) {
    context.lineWidth = 3;
    context.strokeStyle = theme.panel;
    context.strokeText(text, left, middle);
    context.fillStyle = isSame(ref, selected) ? theme.ink : theme.muted;
    context.fillText(text, left, middle);
  }
}

function segment(context: CanvasRenderingContext2D, piece: readonly number[]): void {
  const [fromX = 0, fromY = 0, toX = 0, toY = 0] = piece;
  path(context, [
    { x: fromX, y: fromY },
    { x: toX, y: toY },
  ]);
}

function path(context: CanvasRenderingContext2D, points: readonly { x: number; y: number }[]) {
  context.beginPath();
  for (const { x, y } of points) context.lineTo(x, y);
  context.stroke();
}
