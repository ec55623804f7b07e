import type { Db } from "@fmlab/db";
import { RUN_CHANGES, type RunNotice } from "./notify.ts";

/**
 * Runs told at most after a gap. A page that needs more than these reads its tables again anyway.
 */
const CATCH_UP_MAX = 500;

/**
 * What may have changed since `sinceMs` (the database's clock), when notices may have been missed:
 * every run that is not over, and those created or ended since.
 */
export async function catchUp(
  db: Db,
  organizationId: string,
  sinceMs: number,
): Promise<Omit<RunNotice, "kind" | "organizationId">[]> {
  const runs = await db.$queryRaw<
    { runId: string; projectId: string; state: RunNotice["state"]; atMs: number }[]
  >`SELECT r.id AS "runId", r."projectId", r.state,
      floor(extract(epoch FROM clock_timestamp()) * 1000)::float8 AS "atMs"
    FROM run r JOIN project p ON p.id = r."projectId"
    WHERE p."organizationId" = ${organizationId} AND (
      r.state IN ('QUEUED', 'CLAIMED', 'RUNNING', 'CANCELLING')
      OR greatest(r."queuedAt", r."finishedAt") > to_timestamp(${sinceMs - OVERLAP_MS}::float8 / 1000))
    ORDER BY r."queuedAt" DESC LIMIT ${CATCH_UP_MAX}`;
  return runs.map((run) => ({ ...run, what: [...RUN_CHANGES] }));
}

/** A transaction takes its time before it commits and tells. */
const OVERLAP_MS = 10_000;
