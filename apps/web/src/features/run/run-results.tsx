"use client";

import { isMachineMetric, MACHINE_METRICS, type Series } from "@fmlab/experiment";
import { useQuery } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { useFallbackPoll } from "@/features/live/live-provider.tsx";
import { useTRPC } from "@/trpc/client.tsx";
import { FidelityBadge } from "@/ui/badges.tsx";
import { Button } from "@/ui/button.tsx";
import { cn } from "@/ui/cn.ts";
import { SeriesView } from "@/ui/series/series-view.tsx";
import { EmptyState, ErrorState, Loading } from "@/ui/status.tsx";
import { Value } from "@/ui/value.tsx";
import { MachineCounters } from "./machine-counters.tsx";
import { MetricChart } from "./metric-chart.tsx";
import { groupMetrics, type MetricGroup } from "./metric-groups.ts";
import type { RunDetail } from "./run-page.tsx";

/** Charts drawn before the reader asks for more. */
const CHARTS_FIRST = 12;
/** Curves of fewer points than these tell less than the definition's pictures of the same. */
const CURVE_POINTS_FEW = 32;
/** A table of more columns takes the page's whole width. */
const TABLE_COLUMNS_HALF = 4;
/** And so do bars over more categories than these, where their names are slanted. */
const CATEGORIES_HALF = 20;
/** And so does a table with longer texts than this beside other columns, characters. */
const TABLE_TEXT_HALF = 120;

type View = NonNullable<RunDetail["definition"]>["views"][number];

/** Key numbers, live curves, and the definition's pictures. */
export function RunResults({ run, isLive }: { run: RunDetail; isLive: boolean }) {
  const { groups, machineGroups } = useMemo(() => {
    const keys = Object.keys(run.metrics);
    const own = keys.filter((key) => !isMachineMetric(key));
    return {
      groups: groupMetrics(own, run.definition?.metrics ?? {}),
      machineGroups: groupMetrics(keys.filter(isMachineMetric), MACHINE_METRICS),
    };
  }, [run.metrics, run.definition]);
  const curves = groups.filter((group) => group.keys.some((key) => (run.metrics[key]?.n ?? 0) > 1));
  const [all, setAll] = useState(false);
  const views = run.definition?.views ?? [];
  const shown = all ? curves : curves.slice(0, CHARTS_FIRST);
  if (groups.length === 0 && views.length === 0) {
    return <EmptyState title="Nothing reported yet" />;
  }
  const longest = ({ keys }: MetricGroup) =>
    Math.max(...keys.map((key) => run.metrics[key]?.n ?? 0));
  const isFirst = (group: MetricGroup) =>
    group.headline && (isLive || views.length === 0 || longest(group) >= CURVE_POINTS_FEW);
  return (
    <div className="flex flex-col gap-4">
      <KeyNumbers run={run} groups={groups} isLive={isLive} />
      <Charts run={run} groups={shown.filter(isFirst)} />
      <div className="grid grid-flow-row-dense items-start gap-4 empty:hidden xl:grid-cols-2">
        {views.map((view) => (
          <RunView key={view.series} {...{ run, view, isLive }} />
        ))}
      </div>
      <Charts run={run} groups={shown.filter((group) => !isFirst(group))} />
      {shown.length < curves.length && (
        <Button className="self-center" onClick={() => setAll(true)}>
          Show all {curves.length} charts
        </Button>
      )}
      <MachineCounters run={run} groups={machineGroups} />
      {run.definition === null && (
        <p className="text-muted">
          This server does not know the experiment {run.kind}, so its pictures are not drawn.
        </p>
      )}
    </div>
  );
}

function Charts({ run, groups }: { run: RunDetail; groups: MetricGroup[] }) {
  return (
    <div className="grid items-start gap-4 empty:hidden xl:grid-cols-2">
      {groups.map((group) => (
        <MetricChart key={group.base} run={run} group={group} />
      ))}
    </div>
  );
}

/** Pictures that a half of the page is too narrow for. */
function isWide(view: View, series: Series | null): boolean {
  if (view.kind === "text") return series?.kind !== "text" || series.blocks.length !== 1;
  if (view.kind === "timeline") return true;
  if (series?.kind === "bars") {
    const { categories } = series;
    return categories.length > CATEGORIES_HALF && !categories.every((name) => /^\d+$/.test(name));
  }
  if (series?.kind !== "table") return false;
  const hasLongText = series.rows.some((row) =>
    Object.values(row).some((v) => typeof v === "string" && v.length > TABLE_TEXT_HALF),
  );
  const { length } = series.columns;
  return length > TABLE_COLUMNS_HALF || (length > 2 && hasLongText);
}

/** The metrics' results, while it runs their latest values; headlines first. */
function KeyNumbers({
  run,
  groups,
  isLive,
}: {
  run: RunDetail;
  groups: MetricGroup[];
  isLive: boolean;
}) {
  const plain = groups.filter((group) => group.keys.includes(group.base));
  const ended = run.summary === null ? "Last reported values." : "Results of the whole run.";
  const told = isLive ? "Latest values while it runs." : ended;
  const sorted = [...plain].sort((a, b) => Number(b.headline) - Number(a.headline));
  if (sorted.length === 0) {
    return isLive ? <p className="text-muted">No numbers yet.</p> : null;
  }
  return (
    <section aria-label="Key numbers" className="rounded-lg border border-line bg-panel">
      <dl className="grid grid-cols-2 sm:grid-cols-3 xl:grid-cols-5">
        {sorted.map((group) => (
          <div key={group.base} title={group.help} className="px-4 py-2.5">
            <dt className="text-xs text-muted">{group.title}</dt>
            <dd className="text-base font-medium" data-metric={group.base}>
              <Value value={run.metrics[group.base]?.value} unit={group.unit} />
            </dd>
          </div>
        ))}
      </dl>
      <p className="flex items-center gap-2 border-t border-line px-4 py-2 text-xs text-muted">
        <FidelityBadge fidelity={run.fidelity} />
        {told} Point at a number to read what it counts.
      </p>
    </section>
  );
}

function RunView({ run, view, isLive }: { run: RunDetail; view: View; isLive: boolean }) {
  const trpc = useTRPC();
  const poll = useFallbackPoll();
  const series = useQuery(
    trpc.run.series.queryOptions(
      { runId: run.id, name: view.series },
      { refetchInterval: isLive ? poll : false, staleTime: isLive ? 0 : 60_000 },
    ),
  );
  if (series.isPending) return <Loading label={`Loading ${view.title}`} />;
  if (series.isError) {
    return (
      <ErrorState
        what={`“${view.title}” could not be loaded`}
        error={series.error}
        onRetry={() => void series.refetch()}
      />
    );
  }
  const data = series.data?.data ?? null;
  return (
    <div className={cn("min-w-0", isWide(view, data) && "xl:col-span-2")}>
      <SeriesView view={view} series={data} waiting={isLive} fidelity={run.fidelity} />
    </div>
  );
}
