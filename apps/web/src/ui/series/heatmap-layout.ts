import type { HeatmapSeries } from "@fmlab/experiment";

export interface HeatmapLayout {
  left: number;
  top: number;
  cellWidth: number;
  cellHeight: number;
  width: number;
  height: number;
  /** Every how many rows or columns a label is drawn, so that labels never touch. */
  rowLabelEvery: number;
  columnLabelEvery: number;
}

export interface Cell {
  row: number;
  column: number;
}

/** Places a heatmap's cells in a given width. */
export function heatmapLayout(series: HeatmapSeries, width: number): HeatmapLayout {
  const longest = (names: string[]) => Math.max(1, ...names.map((name) => name.length));
  // 6.2 px is about the width of a digit at 11 px.
  const left = Math.min(Math.max(120, 0.34 * width), 12 + 6.2 * longest(series.rows)) + 16;
  const top = 4;
  const cellWidth = Math.max(0.25, (width - left - 4) / Math.max(1, series.columns.length));
  const cellHeight = Math.min(28, Math.max(6, 320 / Math.max(1, series.rows.length)));
  const labelWidth = 8 + 6.2 * longest(series.columns);
  return {
    left,
    top,
    cellWidth,
    cellHeight,
    width,
    height: top + cellHeight * series.rows.length + 36,
    rowLabelEvery: Math.max(1, Math.ceil(13 / cellHeight)),
    columnLabelEvery: Math.max(1, Math.ceil(labelWidth / cellWidth)),
  };
}

/** The cell under a point, or null outside the cells. */
export function cellAt(
  series: HeatmapSeries,
  layout: HeatmapLayout,
  x: number,
  y: number,
): Cell | null {
  const column = Math.floor((x - layout.left) / layout.cellWidth);
  const row = Math.floor((y - layout.top) / layout.cellHeight);
  const inside =
    row >= 0 && row < series.rows.length && column >= 0 && column < series.columns.length;
  return inside ? { row, column } : null;
}

/** Lowest and highest value; null when no cell has one. */
export function valueRange(series: HeatmapSeries): { min: number; max: number } | null {
  let min = Number.POSITIVE_INFINITY;
  let max = Number.NEGATIVE_INFINITY;
  for (const row of series.values) {
    for (const value of row) {
      if (value === null) continue;
      if (value < min) min = value;
      if (value > max) max = value;
    }
  }
  return min <= max ? { min, max } : null;
}

/** Where a value lies between the lowest and the highest, 0..1; the middle when all are equal. */
export function shareOf(value: number, range: { min: number; max: number }): number {
  return range.max === range.min ? 0.5 : (value - range.min) / (range.max - range.min);
}

/** The cell an arrow key leads to, or null for another key. */
export function moveCell(series: HeatmapSeries, from: Cell | null, key: string): Cell | null {
  const steps: Record<string, [number, number]> = {
    ArrowUp: [-1, 0],
    ArrowDown: [1, 0],
    ArrowLeft: [0, -1],
    ArrowRight: [0, 1],
  };
  const step = steps[key];
  if (step === undefined) return null;
  if (from === null) return { row: 0, column: 0 };
  const clamp = (value: number, count: number) => Math.min(count - 1, Math.max(0, value));
  return {
    row: clamp(from.row + step[0], series.rows.length),
    column: clamp(from.column + step[1], series.columns.length),
  };
}
