"use client";

import type { HeatmapSeries } from "@fmlab/experiment";
import { useEffect, useMemo, useRef, useState } from "react";
import { scaleColor, scaleGradient } from "@/ui/charts/palette.ts";
import { prepareCanvas } from "@/ui/charts/prepare-canvas.ts";
import { type ChartTheme, useChartTheme } from "@/ui/charts/use-chart-theme.ts";
import { useWidth } from "@/ui/charts/use-width.ts";
import { formatNumber, formatValue } from "@/ui/format/number.ts";
import {
  type Cell,
  cellAt,
  type HeatmapLayout,
  heatmapLayout,
  moveCell,
  shareOf,
  valueRange,
} from "./heatmap-layout.ts";
import { ReadableCanvas } from "./readable-canvas.tsx";

/** A matrix as coloured cells, read out by pointer or arrow keys. */
export function HeatmapView({ series, title }: { series: HeatmapSeries; title: string }) {
  const frame = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const width = useWidth(frame);
  const theme = useChartTheme();
  const [cell, setCell] = useState<Cell | null>(null);
  const layout = useMemo(() => heatmapLayout(series, width), [series, width]);
  useEffect(() => {
    if (canvas.current === null || theme === undefined || width === 0) return;
    const context = prepareCanvas(canvas.current, layout.width, layout.height);
    if (context !== null) draw(context, series, layout, theme, cell);
  }, [series, layout, theme, width, cell]);
  return (
    <figure ref={frame} className="min-w-0">
      <ReadableCanvas
        canvas={canvas}
        label={`${title}: ${series.valueLabel} by ${series.rowLabel} and ${series.columnLabel}. Arrow keys read the cells.`}
        height={layout.height}
        atPoint={(x, y) => cellAt(series, layout, x, y)}
        atKey={(key) => moveCell(series, cell, key)}
        choose={setCell}
      />
      <figcaption className="mt-1 flex flex-wrap items-center gap-x-4 gap-y-1 text-xs">
        <ScaleLegend series={series} />
        <span aria-live="polite" className="min-h-5">
          {cell === null ? "" : cellText(series, cell)}
        </span>
      </figcaption>
    </figure>
  );
}

function cellText(series: HeatmapSeries, cell: Cell): string {
  const value = series.values[cell.row]?.[cell.column] ?? null;
  const told = value === null ? "no data" : formatValue(value, series.valueUnit);
  return `${series.rowLabel} ${series.rows[cell.row]}, ${series.columnLabel} ${series.columns[cell.column]}: ${told}`;
}

function ScaleLegend({ series }: { series: HeatmapSeries }) {
  const range = valueRange(series);
  const gaps = series.values.some((row) => row.some((value) => value === null));
  if (range === null) return null;
  return (
    <span className="inline-flex flex-wrap items-center gap-2 text-muted">
      <span>
        {series.valueLabel}
        {series.valueUnit !== "" && ` (${series.valueUnit})`}
      </span>
      <span className="text-ink">{formatNumber(range.min)}</span>
      <span
        aria-hidden
        className="inline-block h-2.5 w-28 rounded-sm"
        style={{ background: scaleGradient() }}
      />
      <span className="text-ink">{formatNumber(range.max)}</span>
      {gaps && <span>· empty cells have no data</span>}
    </span>
  );
}

function draw(
  context: CanvasRenderingContext2D,
  series: HeatmapSeries,
  layout: HeatmapLayout,
  theme: ChartTheme,
  selected: Cell | null,
): void {
  const range = valueRange(series);
  const gap = layout.cellWidth > 6 && layout.cellHeight > 6 ? 1 : 0;
  series.values.forEach((row, r) => {
    row.forEach((value, c) => {
      if (value === null || range === null) return;
      context.fillStyle = scaleColor(shareOf(value, range));
      context.fillRect(
        layout.left + c * layout.cellWidth,
        layout.top + r * layout.cellHeight,
        Math.max(0.5, layout.cellWidth - gap),
        layout.cellHeight - gap,
      );
    });
  });
  drawLabels(context, series, layout, theme);
  if (selected === null) return;
  context.strokeStyle = theme.ink;
  context.lineWidth = 2;
  context.strokeRect(
    layout.left + selected.column * layout.cellWidth - gap / 2,
    layout.top + selected.row * layout.cellHeight - gap / 2,
    layout.cellWidth,
    layout.cellHeight,
  );
}

function drawLabels(
  context: CanvasRenderingContext2D,
  series: HeatmapSeries,
  layout: HeatmapLayout,
  theme: ChartTheme,
): void {
  const bottom = layout.top + layout.cellHeight * series.rows.length;
  context.fillStyle = theme.muted;
  context.textAlign = "right";
  series.rows.forEach((name, r) => {
    if (r % layout.rowLabelEvery !== 0) return;
    context.fillText(
      name,
      layout.left - 5,
      layout.top + (r + 0.5) * layout.cellHeight,
      layout.left - 18,
    );
  });
  context.textAlign = "center";
  series.columns.forEach((name, c) => {
    if (c % layout.columnLabelEvery !== 0) return;
    context.fillText(name, layout.left + (c + 0.5) * layout.cellWidth, bottom + 10);
  });
  context.fillText(series.columnLabel, layout.left + (layout.width - layout.left) / 2, bottom + 26);
  context.save();
  context.translate(7, layout.top + (bottom - layout.top) / 2);
  context.rotate(-Math.PI / 2);
  context.fillText(series.rowLabel, 0, 0);
  context.restore();
}
