"use client";

import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { Table2, Undo2 } from "lucide-react";
import { useMemo, useState } from "react";
import { useFallbackPoll } from "@/features/live/live-provider.tsx";
import { type RouterOutputs, useTRPC } from "@/trpc/client.tsx";
import { FidelityBadge } from "@/ui/badges.tsx";
import { Button } from "@/ui/button.tsx";
import { LineChart } from "@/ui/charts/line-chart.tsx";
import { plural } from "@/ui/format/number.ts";
import { Panel } from "@/ui/panel.tsx";
import { TableView } from "@/ui/series/table-view.tsx";
import { ErrorState, Loading } from "@/ui/status.tsx";
import { Value } from "@/ui/value.tsx";
import { curveTable, toCurves } from "./metric-curves.ts";
import { type MetricGroup, splitMetricKey } from "./metric-groups.ts";
import type { RunDetail } from "./run-page.tsx";

const BUCKETS = 600;
/** More lines than this cannot be told apart in one picture. */
const CURVES_MAX = 32;

type Fetched = RouterOutputs["run"]["metrics"];

/** The live curves of one metric. Dragging over it zooms, and the zoomed part is read anew. */
export function MetricChart({
  run,
  group,
  fidelity = run.fidelity,
}: {
  run: RunDetail;
  group: MetricGroup;
  /** How its numbers came to be, where that is not as for the run's own. */
  fidelity?: string;
}) {
  const trpc = useTRPC();
  const poll = useFallbackPoll();
  const [range, setRange] = useState<{ xMin: number; xMax: number } | null>(null);
  const [asTable, setAsTable] = useState(false);
  const pointsOf = (key: string) => run.metrics[key]?.n ?? 0;
  const drawn = group.keys.filter((key) => pointsOf(key) > 1);
  const single = group.keys.filter((key) => pointsOf(key) === 1);
  const keys = drawn.slice(0, CURVES_MAX);
  const metrics = useQuery(
    trpc.run.metrics.queryOptions(
      { runId: run.id, keys, buckets: BUCKETS, ...(range ?? {}) },
      { placeholderData: keepPreviousData, refetchInterval: poll },
    ),
  );
  const curves = useMemo(
    () => toCurves(metrics.data ?? [], group.title),
    [metrics.data, group.title],
  );
  const badge = fidelity !== "measured" && <FidelityBadge fidelity={fidelity} />;
  const actions = (
    <ChartActions
      title={group.title}
      asTable={asTable}
      onTable={() => setAsTable(!asTable)}
      onShowAll={range === null ? undefined : () => setRange(null)}
    />
  );
  return (
    <Panel
      title={group.title}
      label={`Metric ${group.title}`}
      help={group.help}
      badge={badge}
      actions={actions}
    >
      {metrics.isPending ? (
        <Loading label={`Loading ${group.title}`} />
      ) : metrics.isError ? (
        <ErrorState error={metrics.error} onRetry={() => void metrics.refetch()} />
      ) : asTable ? (
        <TableView series={curveTable(metrics.data, group)} title={`Metric ${group.title}`} />
      ) : (
        <LineChart
          label={`Metric ${group.title}`}
          curves={curves}
          xLabel={group.step}
          yLabel={group.title}
          yUnit={group.unit}
          onZoom={(xMin, xMax) => setRange({ xMin, xMax })}
        />
      )}
      {metrics.data !== undefined && (
        <p className="mt-1 text-xs text-muted">{resolution(metrics.data, drawn.length)}</p>
      )}
      {single.length > 0 && <SingleValues run={run} group={group} keys={single} />}
    </Panel>
  );
}

function ChartActions({
  title,
  asTable,
  onTable,
  onShowAll,
}: {
  title: string;
  asTable: boolean;
  onTable: () => void;
  /** Missing when all is shown already. */
  onShowAll: (() => void) | undefined;
}) {
  return (
    <>
      {onShowAll !== undefined && (
        <Button size="small" variant="quiet" onClick={onShowAll}>
          <Undo2 aria-hidden /> Show all
        </Button>
      )}
      <Button
        size="small"
        variant="quiet"
        aria-pressed={asTable}
        aria-label={`Show metric ${title} as a table`}
        onClick={onTable}
        className="aria-pressed:bg-raised aria-pressed:text-ink"
      >
        <Table2 aria-hidden /> Table
      </Button>
    </>
  );
}

/** What was reported once, e.g. at the end for each layer: values, not curves. */
function SingleValues({
  run,
  group,
  keys,
}: {
  run: RunDetail;
  group: MetricGroup;
  keys: string[];
}) {
  return (
    <dl className="mt-2 flex flex-wrap gap-x-4 gap-y-0.5 border-t border-line pt-2 text-xs">
      {keys.map((key) => (
        <div key={key} className="flex gap-1.5">
          <dt className="text-muted">{splitMetricKey(key).labels || group.title}</dt>
          <dd>
            <Value value={run.metrics[key]?.last} unit={group.unit} />
          </dd>
        </div>
      ))}
    </dl>
  );
}

/** Says what was left out or put together, so that no reader takes buckets for points. */
function resolution(curves: Fetched, drawn: number): string {
  const points = curves.reduce((sum, curve) => sum + curve.n, 0);
  const gaps = curves.reduce((sum, curve) => sum + curve.gaps, 0);
  const parts = [
    curves.every((curve) => curve.raw)
      ? plural(points, "point")
      : `Bucketed: line is the last, band the min to max of ${plural(points, "point")}`,
  ];
  if (gaps > 0) parts.push(`${plural(gaps, "gap")} where the value was not a number`);
  if (drawn > CURVES_MAX) {
    parts.push(`showing ${CURVES_MAX} of ${drawn} curves`);
  }
  return `${parts.join(" · ")}.`;
}
