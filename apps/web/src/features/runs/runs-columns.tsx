"use client";

import { createColumnHelper, tableFeatures } from "@tanstack/react-table";
import { FidelityBadge, StateBadge } from "@/ui/badges.tsx";
import { formatValue, MISSING } from "@/ui/format/number.ts";
import { formatDuration } from "@/ui/format/time.ts";
import { Progress } from "@/ui/progress.tsx";
import { isTerminal } from "@/ui/run-states.ts";
import { Ago, Elapsed } from "@/ui/time.tsx";
import { Value } from "@/ui/value.tsx";
import { metricTitle } from "./column-chooser.tsx";
import { RunName } from "./run-name.tsx";
import { KEY_RESULTS, type MetricKeyRow, type RunRow } from "./use-runs.ts";

/** Sorting and filtering are the server's, so the table needs none of the library's features. */
export const features = tableFeatures({});
const helper = createColumnHelper<typeof features, RunRow>();

/** What the table knows of a column beside its cells. */
export interface ColumnMeta {
  title: string;
  unit: string;
  align: "left" | "right";
  width: number;
  /** The server's name for sorting by it; missing: not sortable. */
  sortBy?: string;
  /** Which end comes first at the first click. */
  first: "asc" | "desc";
}

/** Widths are CSS pixels. */
const meta = (title: string, width: number, rest: Partial<ColumnMeta> = {}): ColumnMeta => ({
  title,
  unit: "",
  align: "left",
  width,
  first: "desc",
  ...rest,
});

/** The facts of a column, by its id. */
export function columnMeta(id: string, known: ReadonlyMap<string, MetricKeyRow>): ColumnMeta {
  const fixed = FIXED[id];
  if (fixed !== undefined) return fixed;
  const key = id.slice("metric:".length);
  const row = known.get(key);
  return meta(row === undefined ? key : metricTitle(row), 118, {
    unit: row?.unit ?? "",
    align: "right",
    sortBy: id,
    first: row?.better === "lower" ? "asc" : "desc",
  });
}

const FIXED: Record<string, ColumnMeta> = {
  state: meta("State", 116, { sortBy: "state", first: "asc" }),
  run: meta("Run", 220, { sortBy: "kind", first: "asc" }),
  seed: meta("Seed", 60, { align: "right", sortBy: "seed", first: "asc" }),
  duration: meta("Duration", 88, { align: "right", sortBy: "duration" }),
  result: meta("Key result", 260),
  fidelity: meta("Fidelity", 104),
  machine: meta("Machine", 110),
  author: meta("By", 110),
  created: meta("Created", 100, { align: "right", sortBy: "createdAt" }),
};

/** The table's columns: what every run has, and between them its key result or chosen metrics. */
export function runsColumns(
  projectId: string,
  metricKeys: readonly string[],
  known: ReadonlyMap<string, MetricKeyRow>,
  hasKeyResult: boolean,
) {
  const display = (id: string, cell: (run: RunRow) => React.ReactNode) =>
    helper.display({ id, cell: ({ row }) => cell(row.original) });
  return [
    display("state", (run) => <StateCell run={run} />),
    display("run", (run) => <RunName run={run} projectId={projectId} />),
    display("seed", (run) => run.seed),
    display("duration", (run) =>
      run.durationMs !== null && run.finishedAt !== null ? (
        formatDuration(run.durationMs)
      ) : (
        <Elapsed start={run.startedAt} end={run.finishedAt} />
      ),
    ),
    ...(hasKeyResult ? [display("result", (run) => <KeyResultCell run={run} />)] : []),
    ...metricKeys.map((key) =>
      display(`metric:${key}`, (run) => (
        <MetricCell metric={run.metrics[key]} unit={known.get(key)?.unit ?? ""} />
      )),
    ),
    display("fidelity", (run) => <FidelityBadge fidelity={run.fidelity} />),
    display("created", (run) => <Ago at={run.createdAt} />),
    display("machine", (run) => run.machineName ?? MISSING),
    display("author", (run) => run.createdByName ?? MISSING),
  ];
}

function StateCell({ run }: { run: RunRow }) {
  if (isTerminal(run.state) || run.progress.total <= 0) return <StateBadge state={run.state} />;
  return (
    <span className="flex flex-col gap-0.5">
      <StateBadge state={run.state} />
      <Progress {...run.progress} compact />
    </span>
  );
}

/** Another experiment's runs have another key result, so that each says what it is. */
function KeyResultCell({ run }: { run: RunRow }) {
  const result = KEY_RESULTS.get(run.kind);
  const metric = result && run.metrics[result.key];
  if (result === undefined || metric === undefined) return MISSING;
  return (
    <>
      <Value value={metric.value} unit={result.unit} />{" "}
      <span className="text-xs text-muted">{result.title}</span>
    </>
  );
}

function MetricCell({
  metric,
  unit,
}: {
  metric: RunRow["metrics"][string] | undefined;
  unit: string;
}) {
  if (metric === undefined) return MISSING;
  const told = (name: string, value: number | null) => `${name} ${formatValue(value, unit)}`;
  const title =
    metric.n > 1
      ? [
          told("last", metric.last),
          told("min", metric.min),
          told("mean", metric.mean),
          told("max", metric.max),
          `${metric.n.toLocaleString("en-US")} points`,
        ].join(" · ")
      : undefined;
  return (
    <span title={title}>
      <Value value={metric.value} unit={unit} />
    </span>
  );
}
