"use client";

import { STALL_CATEGORY, type TimelineSeries } from "@fmlab/experiment";
import { useEffect, useMemo, useRef, useState } from "react";
import { prepareCanvas } from "@/ui/charts/prepare-canvas.ts";
import { useChartTheme } from "@/ui/charts/use-chart-theme.ts";
import { useWidth } from "@/ui/charts/use-width.ts";
import { plural } from "@/ui/format/number.ts";
import { laneWaits } from "./timeline-bubbles.ts";
import { TimelineCaption, ZoomButtons } from "./timeline-caption.tsx";
import { drawTimeline } from "./timeline-draw.ts";
import {
  AXIS_HEIGHT,
  eventAt,
  fullSpan,
  LANE_HEIGHT,
  lanesOf,
  panSpan,
  type Span,
  spanAround,
  zoomSpan,
} from "./timeline-layout.ts";
import { useTimelineGestures } from "./use-timeline-gestures.ts";

/**
 * Bars on lanes over time, bubbles hatched. Keys: left and right walk the bars, with Shift they
 * move along, + and - zoom, 0 shows everything.
 */
export function TimelineView({ series, title }: { series: TimelineSeries; title: string }) {
  const frame = useRef<HTMLDivElement>(null);
  const picture = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const width = useWidth(frame);
  const theme = useChartTheme();
  const full = useMemo(() => fullSpan(series), [series]);
  const lanes = useMemo(() => lanesOf(series), [series]);
  const order = useMemo(() => byStart(series), [series]);
  const categories = useMemo(() => categoriesOf(series), [series]);
  const [zoomed, setSpan] = useState<Span | null>(null);
  const [selected, setSelected] = useState<number | null>(null);
  const [isSummed, setIsSummed] = useState(false);
  const span = zoomed ?? full;
  const waits = useMemo(() => laneWaits(series, span), [series, span]);
  const left = Math.min(140, 24 + 6.2 * Math.max(4, ...series.lanes.map((name) => name.length)));
  const height = series.lanes.length * LANE_HEIGHT + AXIS_HEIGHT;
  const drawn = { left, width: Math.max(1, width - left - 8) };
  const isDragging = useTimelineGestures(picture, { span, full, ...drawn, setSpan });
  useEffect(() => {
    if (canvas.current === null || theme === undefined || width === 0) return;
    const context = prepareCanvas(canvas.current, width, height);
    if (context === null) return;
    const input = { series, lanes, categories, span, left, width, theme, selected };
    setIsSummed(drawTimeline(context, input));
  }, [series, lanes, categories, span, left, width, height, theme, selected]);
  const zoom = (factor: number) => {
    const chosen = selected === null ? undefined : series.events[selected];
    const about = chosen === undefined ? (span.startMs + span.endMs) / 2 : chosen.startMs;
    setSpan(zoomSpan(span, Math.min(span.endMs, Math.max(span.startMs, about)), factor, full));
  };
  const showEvent = (index: number) => {
    const event = series.events[index];
    if (event === undefined) return;
    setSelected(index);
    setSpan(spanAround(event, full));
  };
  return (
    <figure ref={frame} className="min-w-0">
      {/* biome-ignore lint/a11y/useSemanticElements: no element is a picture that takes keys */}
      <div
        ref={picture}
        role="group"
        aria-label={`${title}: ${plural(series.events.length, "bar")} on ${plural(series.lanes.length, "lane")}. Left and right read the bars, plus and minus zoom, Shift and an arrow move along.`}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: keys read the bars and zoom
        tabIndex={0}
        className="touch-pan-y"
        onKeyDown={(event) => {
          const changed = afterKey(event, { series, order, selected, span, full, zoom });
          if (changed === null) return;
          event.preventDefault();
          if (changed.selected !== undefined) setSelected(changed.selected);
          if (changed.span !== undefined) setSpan(changed.span);
        }}
        onPointerDown={(event) => setSelected(eventUnder(event, lanes, span, drawn))}
        onPointerMove={(event) => {
          if (!isDragging.current) setSelected(eventUnder(event, lanes, span, drawn));
        }}
      >
        <canvas ref={canvas} aria-hidden style={{ width: "100%", height }} className="block" />
      </div>
      <TimelineCaption
        {...{ series, categories, selected, theme, span, waits, isSummed, showEvent }}
        isWhole={zoomed === null}
      >
        <ZoomButtons zoom={zoom} reset={zoomed === null ? undefined : () => setSpan(null)} />
      </TimelineCaption>
    </figure>
  );
}

/** The event under a pointer, or nearest to it within a pixel. */
function eventUnder(
  event: React.PointerEvent,
  lanes: ReturnType<typeof lanesOf>,
  span: Span,
  drawn: { left: number; width: number },
): number | null {
  const box = event.currentTarget.getBoundingClientRect();
  const lane = lanes[Math.floor((event.clientY - box.top) / LANE_HEIGHT)];
  const msPerPixel = (span.endMs - span.startMs) / drawn.width;
  const ms = span.startMs + (event.clientX - box.left - drawn.left) * msPerPixel;
  return lane === undefined ? null : eventAt(lane, ms, msPerPixel);
}

interface KeyState {
  series: TimelineSeries;
  order: readonly number[];
  selected: number | null;
  span: Span;
  full: Span;
  zoom: (factor: number) => void;
}

/** What a key changes; null for a key that means nothing here. */
function afterKey(
  { key, shiftKey }: { key: string; shiftKey: boolean },
  { series, order, selected, span, full, zoom }: KeyState,
): { selected?: number | null; span?: Span | null } | null {
  if (key === "0") return { span: null };
  if (key === "+" || key === "=" || key === "-") {
    zoom(key === "-" ? 2 : 0.5);
    return {};
  }
  if (key !== "ArrowRight" && key !== "ArrowLeft") return null;
  const step = key === "ArrowRight" ? 1 : -1;
  if (shiftKey) return { span: panSpan(span, 0.25 * step, full) };
  const next = neighbour(order, selected, step);
  const at = next === null ? undefined : series.events[next]?.startMs;
  if (at === undefined || (at >= span.startMs && at <= span.endMs)) return { selected: next };
  const share = (at - span.startMs) / (span.endMs - span.startMs) - 0.5;
  return { selected: next, span: panSpan(span, share, full) };
}

/**
 * By lane, then by name: what happens to come first in one run must not decide its colour. Waiting
 * has a look of its own and is not among them.
 */
function categoriesOf(series: TimelineSeries): string[] {
  const laneOf = new Map<string, number>();
  for (const { category, lane } of series.events) {
    if (category === STALL_CATEGORY) continue;
    laneOf.set(category, Math.min(lane, laneOf.get(category) ?? lane));
  }
  return [...laneOf]
    .sort(([a, laneA], [b, laneB]) => laneA - laneB || a.localeCompare(b, "en"))
    .map(([name]) => name);
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
