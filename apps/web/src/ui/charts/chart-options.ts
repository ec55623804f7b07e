import type uPlot from "uplot";
import { formatBytes, formatNumber, shownUnit } from "../format/number.ts";
import type { AlignedCurves, Curve } from "./align-curves.ts";
import { categoryColor, categoryDash, scaleColor } from "./palette.ts";
import type { ChartTheme } from "./use-chart-theme.ts";

export interface ChartStyle {
  stroke: string;
  dash: number[] | undefined;
}

/**
 * Colours for a set of curves. More than seven curves whose names differ in a last number are steps
 * of something ordered (layers, ranks): those take the continuous scale, so that order can be seen.
 */
export function curveStyles(names: readonly string[], dark: boolean): ChartStyle[] {
  const stems = new Set(names.map((name) => name.replace(/\d+$/, "")));
  const ordered = names.length > 7 && stems.size === 1 && names.every((name) => /\d$/.test(name));
  return names.map((_, index) => {
    if (!ordered) return { stroke: categoryColor(index, dark), dash: categoryDash(index) };
    // The ends of the scale vanish on white and on black: each theme keeps to its readable part.
    const share = index / (names.length - 1);
    return { stroke: scaleColor(dark ? 0.25 + 0.75 * share : 0.8 * share), dash: undefined };
  });
}

/**
 * The chart's data in uPlot's order: x, then each curve's line, then each band's low and high
 * edge.
 */
export function chartData(aligned: AlignedCurves, curves: readonly Curve[]): uPlot.AlignedData {
  const bands = curves.flatMap((curve, i) =>
    curve.band === undefined ? [] : [aligned.max[i] ?? [], aligned.min[i] ?? []],
  );
  return [aligned.x, ...aligned.y, ...bands] as uPlot.AlignedData;
}

export interface ChartInput {
  curves: readonly Curve[];
  hidden: ReadonlySet<string>;
  width: number;
  height: number;
  xLabel: string;
  yLabel: string;
  yUnit: string;
  theme: ChartTheme;
  onCursor: (index: number | null) => void;
  onZoom: ((min: number, max: number) => void) | undefined;
}

/** uPlot's options for a set of curves. */
export function chartOptions(input: ChartInput): uPlot.Options {
  const { curves, hidden, theme } = input;
  const styles = curveStyles(
    curves.map((curve) => curve.name),
    theme.dark,
  );
  const lines: uPlot.Series[] = curves.map((curve, i) => ({
    label: curve.name,
    show: !hidden.has(curve.name),
    stroke: styles[i]?.stroke,
    dash: styles[i]?.dash,
    width: 1.5,
    points: { show: curve.x.length <= POINTS_SHOWN, size: 5 },
  }));
  const edges: uPlot.Series[] = [];
  const bands: uPlot.Band[] = [];
  curves.forEach((curve, i) => {
    if (curve.band === undefined) return;
    const high = 1 + curves.length + edges.length;
    const show = !hidden.has(curve.name);
    edges.push({ show, width: 0, points: { show: false } });
    edges.push({ show, width: 0, points: { show: false } });
    bands.push({ series: [high, high + 1], fill: `${toHex(styles[i]?.stroke)}2e` });
  });
  return {
    width: input.width,
    height: input.height,
    padding: [8, 12, 0, 0],
    legend: { show: false },
    scales: { x: { time: false } },
    axes: [
      {
        ...axis(input.xLabel, theme, formatNumber),
        ...(curves.every((curve) => curve.x.every(Number.isInteger)) ? { incrs: WHOLE_STEPS } : {}),
      },
      {
        ...axis(yText(input), theme, isBytes(input) ? formatBytes : formatNumber),
        size: tickWidth,
        ...(isBytes(input) && { incrs: BINARY_STEPS }),
      },
    ],
    series: [{}, ...lines, ...edges],
    bands,
    cursor: {
      drag: { x: true, y: false, setScale: input.onZoom === undefined },
      points: { size: 6 },
    },
    hooks: {
      setCursor: [(chart) => input.onCursor(chart.cursor.idx ?? null)],
      setSelect: [(chart) => zoomTo(chart, input.onZoom)],
    },
  };
}

/** Curves of at most so many points show each of them. */
const POINTS_SHOWN = 30;
/** Distances of ticks on an axis that counts. */
const WHOLE_STEPS = Array.from({ length: 16 }, (_, power) =>
  [1, 2, 5].map((n) => n * 10 ** power),
).flat();

/** Distances of ticks on an axis of bytes. */
const BINARY_STEPS = Array.from({ length: 50 }, (_, power) => 2 ** power);

const isBytes = (input: ChartInput): boolean => input.yUnit === "B";

const yText = (input: ChartInput): string =>
  input.yUnit === "" || isBytes(input)
    ? input.yLabel
    : `${input.yLabel} (${shownUnit(input.yUnit)})`;

/** Space for the longest tick: about 6.5 px a character at 11 px. */
function tickWidth(_: uPlot, ticks: string[] | null): number {
  return 14 + 6.5 * Math.max(3, ...(ticks ?? []).map((tick) => tick.length));
}

function axis(label: string, theme: ChartTheme, format: (value: number) => string): uPlot.Axis {
  return {
    label,
    labelSize: 18,
    labelFont: "11px system-ui, sans-serif",
    font: "11px system-ui, sans-serif",
    labelGap: 2,
    size: 24,
    gap: 4,
    stroke: theme.muted,
    grid: { stroke: theme.line, width: 1 },
    ticks: { stroke: theme.line, width: 1, size: 4 },
    values: (_, ticks) => ticks.map((tick) => (tick === null ? "" : format(tick))),
  };
}

function zoomTo(chart: uPlot, onZoom: ChartInput["onZoom"]): void {
  const { left, width } = chart.select;
  if (onZoom === undefined || width < 4) return;
  onZoom(chart.posToVal(left, "x"), chart.posToVal(left + width, "x"));
  chart.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
}

/** `rgb(1 2 3)` as `#010203`; hex colours stay as they are. */
function toHex(color: string | undefined): string {
  const parts = color?.match(/^rgb\((\d+) (\d+) (\d+)\)$/);
  if (color === undefined || parts === null || parts === undefined) return color ?? "#888888";
  const hex = (text: string | undefined) => Number(text).toString(16).padStart(2, "0");
  return `#${hex(parts[1])}${hex(parts[2])}${hex(parts[3])}`;
}
