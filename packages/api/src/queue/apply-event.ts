import {
  type AttemptState,
  Prisma,
  type RunState,
  storableJson,
  storableText,
  type Tx,
} from "@fmlab/db";
import type { Failure } from "@fmlab/experiment";
import { notifyQueue, notifyRun } from "../events/notify.ts";
import { LEASE } from "../protocol.ts";
import {
  type AttemptEvent,
  isTerminal,
  nextAttemptState,
  nextRunState,
  type RunEvent,
} from "../run-state.ts";

/** A run whose row this transaction has locked: nobody else changes it until the commit. */
export interface LockedRun {
  id: string;
  projectId: string;
  organizationId: string;
  kind: string;
  state: RunState;
  attemptCount: number;
  maxAttempts: number;
}

/** Locks a run; undefined when there is none. Every change of a run or its attempts starts here. */
export async function lockRun(tx: Tx, runId: string): Promise<LockedRun | undefined> {
  const rows = await tx.$queryRaw<LockedRun[]>`
    SELECT r.id, r."projectId", p."organizationId", r.kind, r.state, r."attemptCount", r."maxAttempts"
    FROM run r JOIN project p ON p.id = r."projectId"
    WHERE r.id = ${runId}::uuid FOR NO KEY UPDATE OF r`;
  return rows[0];
}

/** An attempt whose row this transaction has locked. */
export interface LockedAttempt {
  id: string;
  number: number;
  state: AttemptState;
  machineId: string | null;
}

/** The attempt `number` of a locked run. */
export async function lockAttempt(
  tx: Tx,
  runId: string,
  number: number,
): Promise<LockedAttempt | undefined> {
  const rows = await tx.$queryRaw<LockedAttempt[]>`
    SELECT id, number, state, "machineId" FROM attempt
    WHERE "runId" = ${runId}::uuid AND number = ${number} FOR NO KEY UPDATE`;
  return rows[0];
}

/** What an ending run keeps. */
export interface RunResult {
  failure?: Failure | null;
  summary?: Record<string, unknown> | null;
  fidelity?: string;
}

/**
 * Moves a locked run along the table, with everything that belongs to the new state, and tells the
 * servers. Times are the database's.
 *
 * @returns the new state
 * @throws ApiError `INVALID_TRANSITION`
 */
export async function applyRunEvent(
  tx: Tx,
  run: LockedRun,
  event: RunEvent,
  result: RunResult = {},
): Promise<RunState> {
  const to = nextRunState(run.state, event);
  if (to === run.state) return to;
  const sets = [Prisma.sql`state = ${to}::run_state`];
  if (to === "QUEUED") {
    sets.push(Prisma.sql`"startedAt" = NULL, "progressDone" = 0, "progressTotal" = 0,
      "progressLabel" = ''`);
  }
  if (to === "CLAIMED") sets.push(Prisma.sql`"attemptCount" = ${run.attemptCount + 1}`);
  if (to === "RUNNING")
    sets.push(Prisma.sql`"startedAt" = coalesce("startedAt", clock_timestamp())`);
  if (isTerminal(to)) {
    const { failure, summary, fidelity } = result;
    sets.push(Prisma.sql`"finishedAt" = clock_timestamp()`);
    if (failure) {
      sets.push(Prisma.sql`"failureCode" = ${failure.code},
        "failureMessage" = ${storableText(failure.message)}`);
    }
    if (summary) sets.push(Prisma.sql`summary = ${JSON.stringify(storableJson(summary))}::jsonb`);
    if (fidelity) sets.push(Prisma.sql`fidelity = ${fidelity}`);
  }
  await tx.$executeRaw`UPDATE run SET ${Prisma.join(sets)} WHERE id = ${run.id}::uuid`;
  const { organizationId, projectId, id: runId } = run;
  await notifyRun(tx, { organizationId, projectId, runId, what: ["state"], state: to });
  if (to === "QUEUED") await notifyQueue(tx, organizationId);
  run.state = to;
  return to;
}

/** Moves a locked attempt along the table. A start renews the lease, an end gives it up. */
export async function applyAttemptEvent(
  tx: Tx,
  attempt: LockedAttempt,
  event: AttemptEvent,
  record: { failure?: Failure | null; reproduction?: unknown } = {},
): Promise<AttemptState> {
  const to = nextAttemptState(attempt.state, event);
  const sets = [Prisma.sql`state = ${to}::attempt_state`];
  if (to === "RUNNING") {
    sets.push(Prisma.sql`"startedAt" = coalesce("startedAt", clock_timestamp()),
      "leaseExpiresAt" = ${leaseEnd()}`);
  } else {
    sets.push(Prisma.sql`"finishedAt" = clock_timestamp(), "leaseExpiresAt" = NULL`);
  }
  if (record.failure) {
    sets.push(Prisma.sql`failure = ${JSON.stringify(storableJson(record.failure))}::jsonb`);
  }
  if (record.reproduction) {
    sets.push(
      Prisma.sql`reproduction = ${JSON.stringify(storableJson(record.reproduction))}::jsonb`,
    );
  }
  await tx.$executeRaw`UPDATE attempt SET ${Prisma.join(sets)} WHERE id = ${attempt.id}::uuid`;
  attempt.state = to;
  return to;
}

/** The moment a lease renewed now lapses, by the database's clock. */
export const leaseEnd = (): Prisma.Sql =>
  Prisma.sql`clock_timestamp() + make_interval(secs => ${LEASE.lapseMs / 1000}::float8)`;
