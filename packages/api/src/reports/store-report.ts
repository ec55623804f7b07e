import {
  type Db,
  refreshMetricSummaries,
  storableJson,
  storableText,
  type Tx,
  upsertLogChunks,
  upsertMetricChunks,
} from "@fmlab/db";
import { LIMITS, MACHINE_METRICS } from "@fmlab/experiment";
import type { z } from "zod";
import { ApiError } from "../errors.ts";
import { notifyRun, type RunChange } from "../events/notify.ts";
import type { AttemptOrder, LogBatch, MetricBatch, reportInput } from "../protocol.ts";
import { lockLive, orderFor } from "../queue/fence.ts";
import { extendLease } from "../queue/renew-leases.ts";

export type ParsedReport = z.output<typeof reportInput>;
/** A picture's data as reported. */
export type SeriesBatch = ParsedReport["series"][number];

/** The points, lines and pictures of one attempt. */
export interface Batches {
  metrics: readonly MetricBatch[];
  logs: readonly LogBatch[];
  series: readonly SeriesBatch[];
}

/**
 * Stores a report and extends the attempt's lease: who reports is at work, so that one renewal lost
 * on the way does not cost a healthy run its attempt. The same report any number of times, and
 * reports in any order, leave the same rows.
 *
 * @throws ApiError `LIMIT_EXCEEDED` | `CHUNK_CHANGED`; then nothing of the report is stored
 */
export async function storeReport(
  db: Db,
  organizationId: string,
  report: ParsedReport,
): Promise<AttemptOrder> {
  return db.$transaction(async (tx) => {
    const live = await lockLive(tx, organizationId, report);
    if (live === undefined) return "stop";
    const { run, attempt } = live;
    await extendLease(tx, attempt);
    const what = await storeBatches(tx, { runId: run.id, attemptId: attempt.id }, report);
    if (report.progress) {
      const { done, total, label } = report.progress;
      await tx.$executeRaw`UPDATE run SET "progressDone" = ${done}::float8,
        "progressTotal" = ${total}::float8, "progressLabel" = ${storableText(label)}
        WHERE id = ${run.id}::uuid`;
      what.push("progress");
    }
    const { organizationId: owner, projectId } = run;
    if (what.length > 0) {
      await notifyRun(tx, { organizationId: owner, projectId, runId: run.id, what });
    }
    return orderFor(run.state);
  });
}

/** Stores batches of an attempt whose run is locked; returns what there was of. */
export async function storeBatches(
  tx: Tx,
  run: { runId: string; attemptId: string },
  batches: Batches,
): Promise<RunChange[]> {
  const what: RunChange[] = [];
  if (batches.metrics.length > 0) {
    const keys = [...new Set(batches.metrics.map((b) => b.key))];
    await assertKeyCount(tx, run.runId, keys);
    await refusingChanges(() => upsertMetricChunks(tx, run.attemptId, batches.metrics));
    await refreshMetricSummaries(tx, run, keys);
    what.push("metrics");
  }
  if (batches.logs.length > 0) {
    await refusingChanges(() => upsertLogChunks(tx, run.attemptId, batches.logs));
    what.push("logs");
  }
  if (batches.series.length > 0) {
    await upsertSeries(tx, run.attemptId, batches.series);
    what.push("series");
  }
  return what;
}

/** The experiment's keys and those that the runner adds are limited apart. */
async function assertKeyCount(tx: Tx, runId: string, keys: string[]): Promise<void> {
  const machine = Object.keys(MACHINE_METRICS);
  const [row] = await tx.$queryRaw<{ own: number; machine: number }[]>`
    SELECT count(*) FILTER (WHERE NOT is_machine)::int AS own,
      count(*) FILTER (WHERE is_machine)::int AS machine
    FROM (SELECT split_part(key, '{', 1) = ANY(${machine}::text[]) AS is_machine FROM (
      SELECT key FROM metric_summary WHERE "runId" = ${runId}::uuid UNION SELECT unnest(${keys}::text[])
    ) every_key) all_keys`;
  assertLimit("metric keys in a run", LIMITS.metricKeysPerRun, row?.own ?? 0);
  assertLimit("machine metrics in a run", LIMITS.machineMetricKeysPerRun, row?.machine ?? 0);
}

async function upsertSeries(
  tx: Tx,
  attemptId: string,
  series: readonly SeriesBatch[],
): Promise<void> {
  for (const { name, version, data } of series) {
    const text = JSON.stringify(storableJson(data));
    assertLimit(`bytes of the series ${name}`, LIMITS.seriesBytes, Buffer.byteLength(text));
    await tx.$executeRaw`
      INSERT INTO series_blob ("attemptId", name, version, kind, data)
      VALUES (${attemptId}::uuid, ${storableText(name)}, ${version}, ${data.kind}, ${text}::jsonb)
      ON CONFLICT ("attemptId", name) DO UPDATE SET version = excluded.version, kind = excluded.kind,
        data = excluded.data WHERE series_blob.version < excluded.version`;
  }
  const count = await tx.seriesBlob.count({ where: { attemptId } });
  assertLimit("series in a run", LIMITS.seriesPerRun, count);
}

/** @throws ApiError `LIMIT_EXCEEDED` */
export function assertLimit(limit: string, allowed: number, got: number): void {
  if (got <= allowed) return;
  throw new ApiError(
    `too many ${limit}: ${got.toLocaleString("en")}, at most ${allowed.toLocaleString("en")} are ` +
      "kept. Report less, or less often.",
    { code: "LIMIT_EXCEEDED", limit, allowed, got },
  );
}

/** SQLSTATE that the guards of the chunk tables raise. */
const GUARD_STATE = "FM001";

async function refusingChanges(write: () => Promise<void>): Promise<void> {
  try {
    await write();
  } catch (error) {
    if (sqlState(error) !== GUARD_STATE) throw error;
    throw new ApiError(
      "a chunk was sent again with another beginning than the stored one: points and lines are " +
        "never changed, only added",
      { code: "CHUNK_CHANGED" },
      { cause: error },
    );
  }
}

function sqlState(error: unknown): string | undefined {
  const meta = (error as { meta?: { driverAdapterError?: { cause?: { originalCode?: string } } } })
    .meta;
  return meta?.driverAdapterError?.cause?.originalCode;
}
