"use client";

import { STALL_CATEGORY, type TimelineSeries } from "@fmlab/experiment";
import { ZoomIn, ZoomOut } from "lucide-react";
import { useState } from "react";
import { Button } from "@/ui/button.tsx";
import { areaBackground, hatchBackground } from "@/ui/charts/fills.ts";
import type { ChartTheme } from "@/ui/charts/use-chart-theme.ts";
import { formatNumber, formatValue, plural } from "@/ui/format/number.ts";
import type { LaneWait } from "./timeline-bubbles.ts";
import { stallColor } from "./timeline-draw.ts";
import { type Span, timeText, timeUnit } from "./timeline-layout.ts";

/** Zooms by hand, for those without a wheel. */
export function ZoomButtons({
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

interface CaptionProps {
  series: TimelineSeries;
  categories: readonly string[];
  selected: number | null;
  theme: ChartTheme | undefined;
  span: Span;
  isWhole: boolean;
  waits: readonly LaneWait[];
  /** Narrow bars were drawn as sums. */
  isSummed: boolean;
  showEvent: (index: number) => void;
  children: React.ReactNode;
}

/** Legend, the bar read out, what each lane waited, and what the picture leaves out. */
export function TimelineCaption(props: CaptionProps) {
  const { series, categories, selected, theme, span, isWhole, waits, isSummed, children } = props;
  const event = selected === null ? undefined : series.events[selected];
  return (
    <figcaption className="mt-1 flex flex-col gap-1 text-xs">
      <div className="flex flex-wrap items-center gap-x-3 gap-y-1">
        {theme !== undefined &&
          categories.map((name, i) => (
            <Sign key={name} name={name} background={areaBackground(i, theme)} />
          ))}
        {theme !== undefined && waits.length > 0 && (
          <Sign
            name={`${STALL_CATEGORY} (bubble)`}
            background={hatchBackground(stallColor(theme), theme.panel)}
          />
        )}
        {children}
      </div>
      <span aria-live="polite" className="min-h-5">
        {event === undefined
          ? `${timeText(span.startMs, span)} to ${timeText(span.endMs, span)} ${timeUnit(span)}`
          : `${series.lanes[event.lane]}: ${event.label}, ${event.category}, from ${timeText(event.startMs, span)}${timeUnit(span) === "s" ? " s" : ""} for ${formatValue(event.endMs - event.startMs, "ms")}`}
      </span>
      {waits.length > 0 && <Waits {...{ series, waits, isWhole }} showEvent={props.showEvent} />}
      {isSummed && (
        <span className="text-muted">
          Bars too narrow to see are summed: a column's height is the share of its time. Zoom in to
          see each.
        </span>
      )}
      {series.note !== "" && (
        <span className="text-muted first-letter:uppercase">{series.note}</span>
      )}
    </figcaption>
  );
}

function Sign({ name, background }: { name: string; background: string }) {
  return (
    <span className="inline-flex items-center gap-1.5">
      <span aria-hidden className="size-2.5 rounded-sm" style={{ background }} />
      {name}
    </span>
  );
}

/** What each lane waited; a press leads to its longest bubble, the next one to the next. */
function Waits({
  series,
  waits,
  isWhole,
  showEvent,
}: Pick<CaptionProps, "series" | "waits" | "isWhole" | "showEvent">) {
  const [seen, setSeen] = useState<{ lane: number; ranks: readonly number[]; at: number } | null>(
    null,
  );
  const next = (wait: LaneWait) => {
    // Zooming to a bubble hides the others: the order of the first press is kept.
    const isSame = seen?.lane === wait.lane && !isWhole;
    const ranks = isSame ? seen.ranks : wait.bubbles;
    const at = isSame ? (seen.at + 1) % ranks.length : 0;
    setSeen({ lane: wait.lane, ranks, at });
    showEvent(ranks[at] ?? 0);
  };
  return (
    <ul
      aria-label={isWhole ? "Waiting by lane" : "Waiting by lane in this part"}
      className="flex flex-wrap gap-x-4 gap-y-1"
    >
      {waits.map((wait) => (
        <li key={wait.lane}>
          <button
            type="button"
            title="Shows the longest bubble; press again for the next"
            onClick={() => next(wait)}
            className="text-left underline decoration-line underline-offset-2 hover:decoration-current"
          >
            <span className="text-muted">{series.lanes[wait.lane]} waits</span>{" "}
            {formatValue(wait.waitMs, "ms")}, {formatNumber(Math.round(1_000 * wait.share) / 10)} %
            {isWhole ? "" : " of this part"}, in {plural(wait.bubbles.length, "bubble")}
          </button>
        </li>
      ))}
    </ul>
  );
}
