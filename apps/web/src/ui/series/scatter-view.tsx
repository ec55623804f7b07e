"use client";

import type { PointRef, ScatterSeries } from "@fmlab/experiment";
import { useEffect, useMemo, useRef, useState } from "react";
import {
  indicesShown,
  Legend,
  type LegendEntry,
  LineSign,
  useHidden,
} from "@/ui/charts/legend.tsx";
import { MarkerSign } from "@/ui/charts/markers.tsx";
import { categoryColor, referenceDash } from "@/ui/charts/palette.ts";
import { prepareCanvas } from "@/ui/charts/prepare-canvas.ts";
import { axisText, tickText } from "@/ui/charts/scale.ts";
import { type ChartTheme, useChartTheme } from "@/ui/charts/use-chart-theme.ts";
import { useWidth } from "@/ui/charts/use-width.ts";
import { formatValue, plural } from "@/ui/format/number.ts";
import { OriginNotes, ReadOut } from "./picture-notes.tsx";
import { ReadableCanvas } from "./readable-canvas.tsx";
import { drawScatter } from "./scatter-draw.ts";
import { dotAt, isSame, moveDot, type ScatterLayout, scatterLayout } from "./scatter-layout.ts";

/** What the front is turned off by; no group can be called so, since names are not empty. */
const FRONT = "";

/** Points over two axes, read out by pointer or arrow keys. */
export function ScatterView({ series, title }: { series: ScatterSeries; title: string }) {
  const frame = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const width = useWidth(frame);
  const theme = useChartTheme();
  const [hidden, toggle] = useHidden();
  const [point, setPoint] = useState<PointRef | null>(null);
  const shown = useMemo(() => indicesShown(series.groups, hidden), [series, hidden]);
  const bounds = useMemo(() => indicesShown(series.bounds, hidden), [series, hidden]);
  const layout = useMemo(
    () => scatterLayout(series, shown, bounds, Math.max(160, width)),
    [series, shown, bounds, width],
  );
  const selected = point !== null && shown.includes(point.group) ? point : null;
  const showsFront = series.front && !hidden.has(FRONT);
  useEffect(() => {
    if (canvas.current === null || theme === undefined || width === 0) return;
    const context = prepareCanvas(canvas.current, layout.width, layout.height);
    if (context === null) return;
    drawScatter(context, { series, layout, showsFront, theme, selected });
  }, [series, layout, showsFront, theme, width, selected]);
  return (
    <figure ref={frame} className="min-w-0">
      <ReadableCanvas
        canvas={canvas}
        label={`${title}: ${series.y.label} over ${series.x.label}, ${plural(layout.dots.length, "point")}. Left and right read the points.`}
        height={layout.height}
        atPoint={(x, y) => dotAt(layout.dots, x, y)}
        atKey={(key) => moveDot(layout.dots, selected, key)}
        choose={setPoint}
      />
      <figcaption className="mt-1 flex flex-wrap items-center gap-x-3 gap-y-0.5 text-xs">
        <ReadOut
          text={selected === null ? "" : pointText(series, layout, selected)}
          hint="Point at a sign or press arrow keys to read it."
        />
        {theme !== undefined && (
          <Legend entries={legendOf(series, layout, theme)} {...{ hidden, toggle }} />
        )}
        <OriginNotes origins={series.bounds} note={remark(series)} />
      </figcaption>
    </figure>
  );
}

function pointText(series: ScatterSeries, layout: ScatterLayout, ref: PointRef): string {
  const group = series.groups[ref.group];
  const point = group?.points[ref.point];
  if (group === undefined || point === undefined) return "";
  const told = (
    axis: ScatterSeries["x"],
    value: number | null,
    low?: number | null,
    high?: number | null,
  ) => {
    const has = low !== null && low !== undefined && high !== null && high !== undefined;
    const text = (end: number) => tickText(end, axis.unit);
    const interval = has ? ` (${text(low)} to ${text(high)})` : "";
    return `${axis.label} ${formatValue(value, axis.unit)}${interval}`;
  };
  const isOnFront = layout.front.some((dot) => isSame(dot, ref));
  return [
    `${group.name}${point.label === "" ? "" : `, ${point.label}`}: `,
    told(series.x, point.x, point.xLow, point.xHigh),
    ", ",
    told(series.y, point.y, point.low, point.high),
    isOnFront ? ", on the front" : "",
  ].join("");
}

/** What is not in the picture, and the author's own remark. */
function remark(series: ScatterSeries): string {
  const missing = series.groups.reduce(
    (sum, { points }) => sum + points.filter(({ y }) => y === null).length,
    0,
  );
  const told = `${plural(missing, "point")} without ${axisText(series.y.label, "")} not drawn.`;
  return [missing === 0 ? "" : told, series.note].filter(Boolean).join(" ");
}

function legendOf(series: ScatterSeries, layout: ScatterLayout, theme: ChartTheme): LegendEntry[] {
  const groups = series.groups.map(({ name, joined }, group) => ({
    name,
    sign: <MarkerSign index={group} color={categoryColor(group, theme.dark)} isJoined={joined} />,
  }));
  const bounds = series.bounds.map(({ name }, at) => ({
    name,
    sign: <LineSign color={theme.ink} dash={referenceDash(at)} width={20} />,
  }));
  const front = {
    name: "Pareto front",
    id: FRONT,
    sign: (
      <svg width="18" height="14" viewBox="-9 -7 18 14" aria-hidden="true" className="shrink-0">
        <path d="M-9 5H0V-5H9" fill="none" stroke={theme.muted} strokeWidth="2" />
        <circle r="4.5" fill={theme.panel} stroke={theme.ink} strokeWidth="1.5" />
      </svg>
    ),
    value: `${layout.front.length} of ${layout.dots.length}`,
  };
  return [...groups, ...bounds, ...(series.front ? [front] : [])];
}
