import { Prisma, type RunState, type Tx } from "@fmlab/db";

/** A metric's summary as tables show it. */
export interface MetricCell {
  /** The run's result by its summary; until there is one, the last point. */
  value: number | null;
  last: number | null;
  min: number | null;
  max: number | null;
  mean: number | null;
  n: number;
}

/** One line of the runs table. */
export interface RunRow {
  id: string;
  kind: string;
  title: string | null;
  preset: string | null;
  configName: string | null;
  configNumber: number | null;
  seed: number;
  state: RunState;
  failureCode: string | null;
  createdAt: Date;
  startedAt: Date | null;
  finishedAt: Date | null;
  /** From its start to its end, or to now; by the database's clock. */
  durationMs: number | null;
  attemptCount: number;
  progress: { done: number; total: number; label: string };
  createdByName: string | null;
  machineName: string | null;
  fidelity: string;
  metrics: Record<string, MetricCell>;
}

/** The tables behind a RunRow: r, and by it cr, ec, u, a, m. */
export const RUN_ROW_FROM = Prisma.sql`FROM run r
  LEFT JOIN config_revision cr ON cr.id = r."configRevisionId"
  LEFT JOIN experiment_config ec ON ec.id = cr."experimentConfigId"
  LEFT JOIN "user" u ON u.id = r."createdById"
  LEFT JOIN attempt a ON a."runId" = r.id AND a.number = r."attemptCount"
  LEFT JOIN machine m ON m.id = a."machineId"`;

/** Duration in ms; an expression over `r`. */
export const DURATION_MS = Prisma.sql`(extract(epoch FROM
  coalesce(r."finishedAt", clock_timestamp()) - r."startedAt") * 1000)::float8`;

const COLUMNS = Prisma.sql`r.id, r.kind, r.preset, ec.name AS "configName", cr.number AS "configNumber",
  r.seed::float8 AS seed, r.state, r."failureCode", r."createdAt", r."startedAt", r."finishedAt",
  ${DURATION_MS} AS "durationMs", r."attemptCount", r."progressDone", r."progressTotal",
  r."progressLabel", u.name AS "createdByName",
  coalesce(m.name, a.reproduction -> 'machine' ->> 'cpuModel') AS "machineName", r.fidelity`;

type Raw = Omit<RunRow, "title" | "progress" | "metrics"> & {
  progressDone: number;
  progressTotal: number;
  progressLabel: string;
  cursor: string;
};

/** Which rows to read, and what of them. */
export interface RunQuery {
  where: Prisma.Sql;
  /** Further joins that `where` or `orderBy` need. */
  join?: Prisma.Sql;
  orderBy: Prisma.Sql;
  limit: number;
  /** An expression returned with each row as text. */
  cursor?: Prisma.Sql;
  /** Keys of the metrics to read; nothing else of the metrics is touched. */
  columns: readonly string[];
  titleOf: (kind: string) => string | undefined;
}

/** Reads runs with the summaries of the metrics asked for, never their points. */
export async function readRunRows(
  tx: Tx,
  query: RunQuery,
): Promise<{ row: RunRow; cursor: string }[]> {
  const raw = await tx.$queryRaw<Raw[]>`SELECT ${COLUMNS},
      (${query.cursor ?? Prisma.sql`r.id`})::text AS cursor
    ${RUN_ROW_FROM} ${query.join ?? Prisma.empty}
    WHERE ${query.where} ORDER BY ${query.orderBy} LIMIT ${query.limit}`;
  const metrics = await readCells(
    tx,
    raw.map((r) => r.id),
    query.columns,
  );
  return raw.map(({ progressDone, progressTotal, progressLabel, cursor, ...rest }) => ({
    cursor,
    row: {
      ...rest,
      title: query.titleOf(rest.kind) ?? null,
      progress: { done: progressDone, total: progressTotal, label: progressLabel },
      metrics: metrics.get(rest.id) ?? {},
    },
  }));
}

async function readCells(tx: Tx, runIds: string[], columns: readonly string[]) {
  const byRun = new Map<string, Record<string, MetricCell>>();
  if (runIds.length === 0 || columns.length === 0) return byRun;
  const summaries = await tx.metricSummary.findMany({
    where: { runId: { in: runIds }, key: { in: [...columns] } },
  });
  for (const { runId, key, result, last, min, max, mean, n } of summaries) {
    const cells = byRun.get(runId) ?? {};
    cells[key] = { value: result ?? last, last, min, max, mean, n };
    byRun.set(runId, cells);
  }
  return byRun;
}
