"use client";

import type { TimelineSeries } from "@fmlab/experiment";
import { ZoomIn, ZoomOut } from "lucide-react";
import { useEffect, useMemo, useRef, useState } from "react";
import { Button } from "@/ui/button.tsx";
import { categoryColor } from "@/ui/charts/palette.ts";
import { prepareCanvas } from "@/ui/charts/prepare-canvas.ts";
import { useChartTheme } from "@/ui/charts/use-chart-theme.ts";
import { useWidth } from "@/ui/charts/use-width.ts";
import { formatNumber, formatValue, plural } from "@/ui/format/number.ts";
import { drawTimeline } from "./timeline-draw.ts";
import {
  AXIS_HEIGHT,
  eventAt,
  fullSpan,
  LANE_HEIGHT,
  lanesOf,
  panSpan,
  type Span,
  zoomSpan,
} from "./timeline-layout.ts";

/**
 * Bars on lanes over time. Keys: left and right walk the bars, + and - zoom, 0 shows everything.
 */
export function TimelineView({ series, title }: { series: TimelineSeries; title: string }) {
  const frame = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const width = useWidth(frame);
  const theme = useChartTheme();
  const full = useMemo(() => fullSpan(series), [series]);
  const lanes = useMemo(() => lanesOf(series), [series]);
  const order = useMemo(() => byStart(series), [series]);
  const categories = useMemo(() => [...new Set(series.events.map((e) => e.category))], [series]);
  const [zoomed, setSpan] = useState<Span | null>(null);
  const [selected, setSelected] = useState<number | null>(null);
  const span = zoomed ?? full;
  const left = Math.min(140, 24 + 6.2 * Math.max(4, ...series.lanes.map((name) => name.length)));
  const height = series.lanes.length * LANE_HEIGHT + AXIS_HEIGHT;
  useEffect(() => {
    if (canvas.current === null || theme === undefined || width === 0) return;
    const context = prepareCanvas(canvas.current, width, height);
    if (context === null) return;
    drawTimeline(context, { series, categories, span, left, width, theme, selected });
  }, [series, categories, span, left, width, height, theme, selected]);
  const zoom = (factor: number) => {
    const chosen = selected === null ? undefined : series.events[selected];
    const about = chosen === undefined ? (span.startMs + span.endMs) / 2 : chosen.startMs;
    setSpan(zoomSpan(span, Math.min(span.endMs, Math.max(span.startMs, about)), factor, full));
  };
  const onKeyDown = (event: React.KeyboardEvent) => {
    if (event.key === "+" || event.key === "=") zoom(0.5);
    else if (event.key === "-") zoom(2);
    else if (event.key === "0") setSpan(null);
    else if (event.key === "ArrowRight" || event.key === "ArrowLeft") {
      const next = neighbour(order, selected, event.key === "ArrowRight" ? 1 : -1);
      setSelected(next);
      const at = next === null ? undefined : series.events[next]?.startMs;
      if (at !== undefined && (at < span.startMs || at > span.endMs)) {
        setSpan(panSpan(span, (at - span.startMs) / (span.endMs - span.startMs) - 0.5, full));
      }
    } else return;
    event.preventDefault();
  };
  return (
    <figure ref={frame} className="min-w-0">
      {/* biome-ignore lint/a11y/useSemanticElements: no element is a picture that takes keys */}
      <div
        role="group"
        aria-label={`${title}: ${plural(series.events.length, "bar")} on ${plural(series.lanes.length, "lane")}. Left and right read the bars, plus and minus zoom.`}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: keys read the bars and zoom
        tabIndex={0}
        onKeyDown={onKeyDown}
        onPointerMove={(event) => {
          const box = event.currentTarget.getBoundingClientRect();
          const lane = lanes[Math.floor((event.clientY - box.top) / LANE_HEIGHT)];
          const msPerPixel = (span.endMs - span.startMs) / (width - left - 8);
          const ms = span.startMs + (event.clientX - box.left - left) * msPerPixel;
          setSelected(lane === undefined ? null : eventAt(lane, ms, msPerPixel));
        }}
      >
        <canvas ref={canvas} aria-hidden style={{ width: "100%", height }} className="block" />
      </div>
      <Caption {...{ series, categories, selected, dark: theme?.dark ?? false, span }}>
        <ZoomButtons zoom={zoom} reset={zoomed === null ? undefined : () => setSpan(null)} />
      </Caption>
    </figure>
  );
}

function byStart(series: TimelineSeries): number[] {
  return series.events
    .map((_, index) => index)
    .sort((a, b) => (series.events[a]?.startMs ?? 0) - (series.events[b]?.startMs ?? 0));
}

function neighbour(order: readonly number[], from: number | null, step: 1 | -1): number | null {
  if (from === null) return order[step === 1 ? 0 : order.length - 1] ?? null;
  return order[order.indexOf(from) + step] ?? from;
}

function ZoomButtons({
  zoom,
  reset,
}: {
  zoom: (factor: number) => void;
  reset: (() => void) | undefined;
}) {
  return (
    <span className="ml-auto inline-flex items-center gap-0.5">
      {reset !== undefined && (
        <Button size="small" variant="quiet" onClick={reset}>
          Show all
        </Button>
      )}
      <Button size="icon" variant="quiet" aria-label="Zoom in" onClick={() => zoom(0.5)}>
        <ZoomIn aria-hidden />
      </Button>
      <Button size="icon" variant="quiet" aria-label="Zoom out" onClick={() => zoom(2)}>
        <ZoomOut aria-hidden />
      </Button>
    </span>
  );
}

function Caption({
  series,
  categories,
  selected,
  dark,
  span,
  children,
}: {
  series: TimelineSeries;
  categories: readonly string[];
  selected: number | null;
  dark: boolean;
  span: Span;
  children: React.ReactNode;
}) {
  const event = selected === null ? undefined : series.events[selected];
  return (
    <figcaption className="mt-1 flex flex-col gap-1 text-xs">
      <div className="flex flex-wrap items-center gap-x-3 gap-y-1">
        {categories.map((name, i) => (
          <span key={name} className="inline-flex items-center gap-1.5">
            <span
              aria-hidden
              className="size-2.5 rounded-sm"
              style={{ background: categoryColor(i, dark) }}
            />
            {name}
          </span>
        ))}
        {children}
      </div>
      <span aria-live="polite" className="min-h-5">
        {event === undefined
          ? `${formatNumber(span.startMs)} to ${formatValue(span.endMs, "ms")}`
          : `${series.lanes[event.lane]}: ${event.label}, ${event.category}, from ${formatNumber(event.startMs)} for ${formatValue(event.endMs - event.startMs, "ms")}`}
      </span>
      {series.note !== "" && <span className="text-muted">{series.note}</span>}
    </figcaption>
  );
}
