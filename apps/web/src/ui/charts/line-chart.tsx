"use client";

import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { formatNumber, formatValue } from "@/ui/format/number.ts";
import { type AlignedCurves, alignCurves, type Curve } from "./align-curves.ts";
import { chartData, chartOptions, curveStyles } from "./chart-options.ts";
import { Legend, type LegendEntry, LineSign, useHidden } from "./legend.tsx";
import { type ChartTheme, useChartTheme } from "./use-chart-theme.ts";
import { useWidth } from "./use-width.ts";

export interface LineChartProps {
  /** What the picture shows, for those who cannot see it. */
  label: string;
  curves: readonly Curve[];
  xLabel: string;
  yLabel: string;
  yUnit: string;
  height?: number;
  /** Called with the x range a reader drags over. */
  onZoom?: (min: number, max: number) => void;
}

/**
 * Curves with units, a legend that turns them on and off, and a read-out that follows the pointer
 * or the arrow keys.
 */
export function LineChart({
  label,
  curves,
  xLabel,
  yLabel,
  yUnit,
  height = 220,
  onZoom,
}: LineChartProps) {
  const frame = useRef<HTMLDivElement>(null);
  const width = useWidth(frame);
  const theme = useChartTheme();
  const [hidden, toggle] = useHidden();
  const [at, setAt] = useState<number | null>(null);
  const aligned = useMemo(() => alignCurves(curves), [curves]);
  const chart = useChart({
    frame,
    curves,
    aligned,
    hidden,
    width,
    height,
    xLabel,
    yLabel,
    yUnit,
    theme,
    setAt,
    onZoom,
  });
  return (
    <figure className="min-w-0">
      {/* biome-ignore lint/a11y/useSemanticElements: no element is a picture that takes keys */}
      <div
        ref={frame}
        role="group"
        aria-label={`${label}. Arrow keys read the values.`}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: arrow keys read the values off
        tabIndex={0}
        onKeyDown={(event) => moveCursor(event, chart.current, aligned, at)}
        style={{ height }}
        className="w-full"
      />
      <figcaption className="mt-1 flex flex-wrap items-center gap-x-3 gap-y-0.5 text-xs">
        <span className="text-muted" aria-live="polite">
          {xLabel}: {formatNumber(at === null ? aligned.x.at(-1) : aligned.x[at])}
        </span>
        {theme !== undefined && (
          <Legend
            entries={entriesOf(curves, aligned, at, yUnit, theme.dark)}
            {...{ hidden, toggle }}
          />
        )}
      </figcaption>
    </figure>
  );
}

interface ChartState {
  frame: React.RefObject<HTMLDivElement | null>;
  curves: readonly Curve[];
  aligned: AlignedCurves;
  hidden: ReadonlySet<string>;
  width: number;
  height: number;
  xLabel: string;
  yLabel: string;
  yUnit: string;
  theme: ChartTheme | undefined;
  setAt: (index: number | null) => void;
  onZoom: LineChartProps["onZoom"];
}

/** Keeps one uPlot alive: new data goes into it, and only a new shape builds it anew. */
function useChart(state: ChartState): React.RefObject<uPlot | null> {
  const { frame, curves, aligned, hidden, width, height, xLabel, yLabel, yUnit, theme, setAt } =
    state;
  const chart = useRef<uPlot | null>(null);
  const data = useMemo(() => chartData(aligned, curves), [aligned, curves]);
  const latest = useRef({ curves, data, onZoom: state.onZoom });
  latest.current = { curves, data, onZoom: state.onZoom };
  const shape = curves.map((curve) => `${curve.name}:${curve.band === undefined}`).join("|");
  const zoomable = state.onZoom !== undefined;
  const zoom = useCallback((min: number, max: number) => latest.current.onZoom?.(min, max), []);
  // biome-ignore lint/correctness/useExhaustiveDependencies: `shape` stands for the curves
  useEffect(() => {
    if (frame.current === null || theme === undefined || width === 0) return;
    const options = chartOptions({
      curves: latest.current.curves,
      hidden,
      width,
      height,
      xLabel,
      yLabel,
      yUnit,
      theme,
      onCursor: setAt,
      onZoom: zoomable ? zoom : undefined,
    });
    const made = new uPlot(options, latest.current.data, frame.current);
    chart.current = made;
    return () => {
      made.destroy();
      chart.current = null;
    };
  }, [
    frame,
    shape,
    hidden,
    width,
    height,
    xLabel,
    yLabel,
    yUnit,
    theme?.dark,
    zoomable,
    zoom,
    setAt,
  ]);
  useEffect(() => {
    if (chart.current !== null && chart.current.data !== data) chart.current.setData(data);
  }, [data]);
  return chart;
}

function moveCursor(
  event: React.KeyboardEvent,
  chart: uPlot | null,
  aligned: AlignedCurves,
  at: number | null,
): void {
  const last = aligned.x.length - 1;
  const steps: Record<string, number> = { ArrowLeft: -1, ArrowRight: 1, Home: -last, End: last };
  const step = steps[event.key];
  if (chart === null || step === undefined) return;
  event.preventDefault();
  const index = Math.min(last, Math.max(0, (at ?? (step > 0 ? -1 : last + 1)) + step));
  chart.setCursor({ left: chart.valToPos(aligned.x[index] ?? 0, "x"), top: 10 });
}

/** Each curve with its value at the cursor, or its last one. */
function entriesOf(
  curves: readonly Curve[],
  aligned: AlignedCurves,
  at: number | null,
  yUnit: string,
  dark: boolean,
): LegendEntry[] {
  const styles = curveStyles(
    curves.map((curve) => curve.name),
    dark,
  );
  return curves.map((curve, i) => {
    const value = at === null ? curve.y.at(-1) : aligned.y[i]?.[at];
    return {
      name: curve.name,
      sign: <LineSign color={styles[i]?.stroke} dash={styles[i]?.dash} />,
      value: formatValue(value, yUnit),
    };
  });
}
