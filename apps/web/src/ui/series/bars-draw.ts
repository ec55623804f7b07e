import { type BarsSeries, stackTotal } from "@fmlab/experiment";
import { areaFill } from "../charts/fills.ts";
import { fitText } from "../charts/fit-text.ts";
import { referenceDash } from "../charts/palette.ts";
import { axisText, tickText, toPixel } from "../charts/scale.ts";
import type { ChartTheme } from "../charts/use-chart-theme.ts";
import { type BarRef, type BarsLayout, barBox, shortLabel } from "./bars-layout.ts";

export interface BarsFrame {
  series: BarsSeries;
  layout: BarsLayout;
  /** Indices of the references that are drawn. */
  references: readonly number[];
  theme: ChartTheme;
  selected: BarRef | null;
}

/** Draws axes, bars with their intervals, and references. */
export function drawBars(context: CanvasRenderingContext2D, frame: BarsFrame): void {
  drawValueAxis(context, frame);
  const { layout, series, theme } = frame;
  for (const { groups } of layout.rows) {
    for (const group of groups) {
      const fill = areaFill(context, group, theme);
      series.categories.forEach((_, category) => {
        drawBar(context, frame, { category, group }, fill);
      });
    }
  }
  for (const at of frame.references) drawReference(context, frame, at);
  drawValues(context, frame);
  drawTotals(context, frame);
  drawCategories(context, frame);
  drawSelection(context, frame);
}

function drawValueAxis(context: CanvasRenderingContext2D, { series, layout, theme }: BarsFrame) {
  const { left, width, ticks, rows } = layout;
  context.lineWidth = 1;
  context.textAlign = "right";
  for (const { scale, groups } of rows) {
    for (const tick of ticks) {
      const y = Math.round(toPixel(scale, tick)) + 0.5;
      context.strokeStyle = tick === 0 ? theme.muted : theme.line;
      line(context, left, y, width - 4, y);
      context.fillStyle = theme.muted;
      context.fillText(tickText(tick, series.valueUnit), left - 6, y);
    }
    const only = groups[0];
    if (!layout.isSplit || only === undefined) continue;
    context.textAlign = "left";
    context.fillStyle = theme.ink;
    context.fillText(series.groups[only]?.name ?? "", left + 1, scale.to - 7, width - left - 8);
    context.textAlign = "right";
  }
  context.save();
  context.translate(8, ((rows[0]?.scale.to ?? 0) + layout.bottom) / 2);
  context.rotate(-Math.PI / 2);
  context.textAlign = "center";
  context.fillStyle = theme.muted;
  const label = axisText(series.valueLabel, series.valueUnit);
  context.fillText(fitText(context, label, layout.bottom), 0, 0);
  context.restore();
}

function drawBar(
  context: CanvasRenderingContext2D,
  { series, layout, theme }: BarsFrame,
  ref: BarRef,
  fill: string | CanvasPattern,
): void {
  const box = barBox(series, layout, ref);
  const scale = layout.rows.find(({ groups }) => groups.includes(ref.group))?.scale;
  if (box === null || scale === undefined) return;
  const gap = box.width > 5 ? 1 : 0;
  context.fillStyle = fill;
  // A value near 0 is not the same as none: it keeps a hair of height.
  context.fillRect(box.left, box.top, Math.max(0.5, box.width - gap), Math.max(0.75, box.height));
  if (series.arrangement === "stacked") return;
  const { low, high } = series.groups[ref.group] ?? {};
  const ends = [low?.[ref.category] ?? null, high?.[ref.category] ?? null] as const;
  if (ends[0] !== null && ends[1] !== null) {
    context.strokeStyle = theme.ink;
    context.lineWidth = 1;
    const middle = box.left + (box.width - gap) / 2;
    whisker(context, middle, toPixel(scale, ends[0]), toPixel(scale, ends[1]), box.width / 3);
  }
}

/** Each bar's value beyond its end, where there is room; above references that cross it. */
function drawValues(context: CanvasRenderingContext2D, { series, layout, theme }: BarsFrame) {
  if (series.arrangement === "stacked") return;
  context.fillStyle = theme.muted;
  context.strokeStyle = theme.panel;
  context.lineWidth = 3;
  context.textAlign = "center";
  for (const { groups, scale } of layout.rows) {
    for (const group of groups) {
      const { values, low, high } = series.groups[group] ?? { values: [] };
      values.forEach((value, category) => {
        const box = barBox(series, layout, { category, group });
        const text = tickText(value ?? 0, series.valueUnit);
        if (box === null || value === null || 6.4 * text.length > box.width) return;
        const end = toPixel(scale, (value < 0 ? low : high)?.[category] ?? value);
        const [x, y] = [box.left + box.width / 2, value < 0 ? end + 8 : end - 7];
        context.strokeText(text, x, y);
        context.fillText(text, x, y);
      });
    }
  }
}

function whisker(
  context: CanvasRenderingContext2D,
  x: number,
  from: number,
  to: number,
  reach: number,
): void {
  line(context, x, from, x, to);
  const half = Math.min(4, reach);
  line(context, x - half, from, x + half, from);
  line(context, x - half, to, x + half, to);
}

/** A stack's sum above it, where there is room. */
function drawTotals(context: CanvasRenderingContext2D, { series, layout, theme }: BarsFrame) {
  const [row] = layout.rows;
  if (series.arrangement !== "stacked" || row === undefined || row.groups.length < 2) return;
  context.fillStyle = theme.ink;
  context.textAlign = "center";
  series.categories.forEach((_, category) => {
    const total = stackTotal(series, category, (group) => row.groups.includes(group));
    const text = tickText(total ?? 0, series.valueUnit);
    if (total === null || 6.4 * text.length > layout.categoryWidth) return;
    const middle = layout.left + (category + 0.5) * layout.categoryWidth;
    context.fillText(text, middle, toPixel(row.scale, total) - 8);
  });
}

function drawReference(context: CanvasRenderingContext2D, frame: BarsFrame, at: number): void {
  const { series, layout, theme } = frame;
  const value = series.references[at]?.value;
  if (value === undefined) return;
  context.save();
  context.strokeStyle = theme.ink;
  context.lineWidth = 1.5;
  context.setLineDash(referenceDash(at));
  for (const { scale } of layout.rows) {
    if (!Array.isArray(value)) {
      const y = toPixel(scale, value);
      line(context, layout.left, y, layout.width - 4, y);
      continue;
    }
    value.forEach((one, category) => {
      if (one === null) return;
      const y = toPixel(scale, one);
      const x = layout.left + category * layout.categoryWidth;
      line(context, x + 1, y, x + layout.categoryWidth - 1, y);
    });
  }
  context.restore();
}

function drawCategories(context: CanvasRenderingContext2D, frame: BarsFrame): void {
  const { series, layout, theme } = frame;
  const { left, bottom, categoryWidth, labels } = layout;
  context.fillStyle = theme.muted;
  series.categories.forEach((name, at) => {
    if (at % labels.every !== 0) return;
    const middle = left + (at + 0.5) * categoryWidth;
    if (!labels.isSlanted) {
      context.textAlign = "center";
      context.fillText(name, middle, bottom + 10, Math.max(30, categoryWidth));
      return;
    }
    context.save();
    context.translate(middle + 3, bottom + 7);
    context.rotate(-Math.PI / 4);
    context.textAlign = "right";
    context.fillText(shortLabel(name, labels.characters), 0, 0);
    context.restore();
  });
  context.textAlign = "center";
  context.fillText(series.categoryLabel, left + (layout.width - left) / 2, layout.height - 9);
}

function drawSelection(context: CanvasRenderingContext2D, frame: BarsFrame): void {
  const { series, layout, theme, selected } = frame;
  if (selected === null) return;
  const box = barBox(series, layout, selected);
  context.strokeStyle = theme.ink;
  if (box !== null) {
    context.lineWidth = 2;
    context.strokeRect(box.left - 0.5, box.top - 1, box.width, box.height + 1);
  }
  const x = layout.left + selected.category * layout.categoryWidth;
  context.fillStyle = theme.dark ? "rgb(255 255 255 / 0.07)" : "rgb(0 0 0 / 0.05)";
  const top = (layout.rows[0]?.scale.to ?? 0) - 4;
  context.fillRect(x, top, layout.categoryWidth, layout.bottom - top);
}

function line(
  context: CanvasRenderingContext2D,
  fromX: number,
  fromY: number,
  toX: number,
  toY: number,
): void {
  context.beginPath();
  context.moveTo(fromX, fromY);
  context.lineTo(toX, toY);
  context.stroke();
}
