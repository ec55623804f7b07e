"use client";

import { type BarsSeries, stackTotal } from "@fmlab/experiment";
import { useEffect, useMemo, useRef, useState } from "react";
import { areaBackground } from "@/ui/charts/fills.ts";
import {
  indicesShown,
  Legend,
  type LegendEntry,
  LineSign,
  useHidden,
} from "@/ui/charts/legend.tsx";
import { referenceDash } from "@/ui/charts/palette.ts";
import { prepareCanvas } from "@/ui/charts/prepare-canvas.ts";
import { axisText, tickText } from "@/ui/charts/scale.ts";
import { type ChartTheme, useChartTheme } from "@/ui/charts/use-chart-theme.ts";
import { useWidth } from "@/ui/charts/use-width.ts";
import { formatValue } from "@/ui/format/number.ts";
import { drawBars } from "./bars-draw.ts";
import { type BarRef, barAt, barsLayout, moveBar } from "./bars-layout.ts";
import { OriginNotes, ReadOut } from "./picture-notes.tsx";
import { ReadableCanvas } from "./readable-canvas.tsx";

/** Bars over categories, read out by pointer or arrow keys. */
export function BarsView({ series, title }: { series: BarsSeries; title: string }) {
  const frame = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const width = useWidth(frame);
  const theme = useChartTheme();
  const [hidden, toggle] = useHidden();
  const [bar, setBar] = useState<BarRef | null>(null);
  const shown = useMemo(() => indicesShown(series.groups, hidden), [series, hidden]);
  const references = useMemo(() => indicesShown(series.references, hidden), [series, hidden]);
  const layout = useMemo(
    () => barsLayout(series, shown, references, Math.max(120, width)),
    [series, shown, references, width],
  );
  const selected = bar !== null && shown.includes(bar.group) ? bar : null;
  useEffect(() => {
    if (canvas.current === null || theme === undefined || width === 0) return;
    const context = prepareCanvas(canvas.current, layout.width, layout.height);
    if (context !== null) drawBars(context, { series, layout, references, theme, selected });
  }, [series, layout, references, theme, width, selected]);
  return (
    <figure ref={frame} className="min-w-0">
      <ReadableCanvas
        canvas={canvas}
        label={`${title}: ${axisText(series.valueLabel, series.valueUnit)} by ${series.categoryLabel}. Left and right read the bars, up and down change the group.`}
        height={layout.height}
        atPoint={(x, y) => barAt(series, layout, x, y)}
        atKey={(key) => moveBar(series, shown, selected, key)}
        choose={setBar}
      />
      <figcaption className="mt-1 flex flex-wrap items-center gap-x-3 gap-y-0.5 text-xs">
        <ReadOut
          text={selected === null ? "" : barText(series, shown, selected)}
          hint="Point at a bar or press arrow keys to read it."
        />
        {theme !== undefined && (
          <Legend entries={legendOf(series, selected, theme)} {...{ hidden, toggle }} />
        )}
        <OriginNotes origins={series.references} note={series.note} />
      </figcaption>
    </figure>
  );
}

function barText(series: BarsSeries, shown: readonly number[], { category, group }: BarRef) {
  const unit = series.valueUnit;
  const told = series.groups[group];
  const value = told?.values[category] ?? null;
  const low = told?.low?.[category] ?? null;
  const high = told?.high?.[category] ?? null;
  const interval =
    low === null ? "" : ` (${tickText(low, unit)} to ${tickText(high ?? low, unit)})`;
  const total = stackTotal(series, category, (one) => shown.includes(one));
  const isStack = series.arrangement === "stacked" && shown.length > 1;
  return [
    `${series.categoryLabel} ${series.categories[category]}, ${told?.name}: `,
    value === null ? "no data" : formatValue(value, unit) + interval,
    isStack ? `, of ${formatValue(total, unit)} in all` : "",
  ].join("");
}

function legendOf(series: BarsSeries, selected: BarRef | null, theme: ChartTheme): LegendEntry[] {
  const at = selected?.category;
  const text = (value: number | null | undefined) => formatValue(value, series.valueUnit);
  const told = (values: readonly (number | null)[]) => ({
    ...(at !== undefined && { value: text(values[at]) }),
    valueSpace: values.reduce((most: number, value) => Math.max(most, text(value).length), 0),
  });
  const groups = series.groups.map(({ name, values }, group) => ({
    name,
    sign: (
      <span
        aria-hidden
        className="size-2.5 shrink-0 rounded-sm"
        style={{ background: areaBackground(group, theme) }}
      />
    ),
    ...told(values),
  }));
  const references = series.references.map(({ name, value }, index) => ({
    name,
    sign: <LineSign color={theme.ink} dash={referenceDash(index)} width={20} />,
    ...(Array.isArray(value) ? told(value) : { value: text(value) }),
  }));
  return [...groups, ...references];
}
