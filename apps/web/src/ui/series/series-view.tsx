"use client";

import { type Series, seriesTable, type ViewSpec } from "@fmlab/experiment";
import { Table2 } from "lucide-react";
import { useMemo, useState } from "react";
import { FidelityBadge } from "@/ui/badges.tsx";
import { Button } from "@/ui/button.tsx";
import { sentence } from "@/ui/format/sentence.ts";
import { Panel } from "@/ui/panel.tsx";
import { BarsView } from "./bars-view.tsx";
import { HeatmapView } from "./heatmap-view.tsx";
import { LineView } from "./line-view.tsx";
import { ScatterView } from "./scatter-view.tsx";
import { isEmptySeries } from "./series-size.ts";
import { TableView } from "./table-view.tsx";
import { TextView } from "./text-view.tsx";
import { withGaps } from "./timeline-bubbles.ts";
import { TimelineView } from "./timeline-view.tsx";

/** A definition's picture: the drawing, its table twin, or why there is nothing yet. */
export function SeriesView({
  view,
  series: stored,
  waiting,
  fidelity,
}: {
  view: ViewSpec;
  series: Series | null;
  /** The run may still write it. */
  waiting: boolean;
  /** How the run's numbers came to be; told where it was not by plain measurement. */
  fidelity: string;
}) {
  const [asTable, setAsTable] = useState(false);
  const series = useMemo(
    () => (stored?.kind === "timeline" ? withGaps(stored, view.gapLanes ?? []) : stored),
    [stored, view.gapLanes],
  );
  const isTable = view.kind === "table";
  const toggle = (
    <Button
      size="small"
      variant="quiet"
      aria-pressed={asTable}
      aria-label={`Show ${view.title} as a table`}
      onClick={() => setAsTable(!asTable)}
      className="aria-pressed:bg-raised aria-pressed:text-ink"
    >
      <Table2 aria-hidden /> Table
    </Button>
  );
  const drawn = series !== null && !isEmptySeries(series);
  const hasNumbers = drawn && series.kind !== "text";
  return (
    <Panel
      title={view.title}
      help={view.help}
      badge={hasNumbers && fidelity !== "measured" && <FidelityBadge fidelity={fidelity} />}
      actions={drawn && !isTable ? toggle : undefined}
    >
      {!drawn ? (
        <p className="text-muted">{whyEmpty(view, series, waiting)}</p>
      ) : asTable ? (
        <TableTwin series={series} title={view.title} />
      ) : (
        <Picture series={series} title={view.title} />
      )}
    </Panel>
  );
}

/** Why there is no picture: not yet, never, or because there was nothing to put in it. */
function whyEmpty(view: ViewSpec, series: Series | null, waiting: boolean): string {
  if (series !== null) {
    const note = "note" in series ? series.note : "";
    const said = note.replace(/\.$/, "");
    if (said !== "") return `${sentence(said)}.`;
    return view.kind === "table" ? "Nothing to list." : "No values.";
  }
  return waiting
    ? `Appears when the run writes its series “${view.series}”.`
    : `This run did not write its series “${view.series}”.`;
}

function TableTwin({ series, title }: { series: Series; title: string }) {
  const table = useMemo(() => seriesTable(series), [series]);
  return <TableView series={table} title={title} />;
}

function Picture({ series, title }: { series: Series; title: string }) {
  switch (series.kind) {
    case "line":
      return <LineView series={series} title={title} />;
    case "heatmap":
      return <HeatmapView series={series} title={title} />;
    case "timeline":
      return <TimelineView series={series} title={title} />;
    case "bars":
      return <BarsView series={series} title={title} />;
    case "scatter":
      return <ScatterView series={series} title={title} />;
    case "text":
      return <TextView series={series} />;
    case "table":
      return <TableView series={series} title={title} />;
  }
}
