import type { Db, RunState, Tx } from "@fmlab/db";
import { notFound } from "../errors.ts";
import type { AttemptOrder, Fence } from "../protocol.ts";
import { type LockedAttempt, leaseEnd } from "./apply-event.ts";
import { orderFor } from "./fence.ts";

/**
 * Renews the leases of a machine's attempts, all in one statement, and marks the machine as seen.
 * Also a lapsed lease is renewed while no reaper has taken the attempt.
 *
 * @returns one order for each fence, in its place
 */
export async function renewLeases(
  db: Db,
  machine: { id: string; organizationId: string },
  fences: readonly Fence[],
): Promise<AttemptOrder[]> {
  const seen = await db.$executeRaw`UPDATE machine SET "lastSeenAt" = clock_timestamp()
    WHERE id = ${machine.id}::uuid AND "organizationId" = ${machine.organizationId}`;
  if (seen === 0) throw notFound("machine", machine.id);
  if (fences.length === 0) return [];
  const renewed = await db.$queryRaw<{ runId: string; number: number; state: RunState }[]>`
    UPDATE attempt a SET "leaseExpiresAt" = ${leaseEnd()}
    FROM run r, unnest(${fences.map((f) => f.runId)}::uuid[],
      ${fences.map((f) => f.attemptNumber)}::int[]) AS f("runId", number)
    WHERE a."runId" = f."runId" AND a.number = f.number AND r.id = a."runId"
      AND r."attemptCount" = a.number AND a."machineId" = ${machine.id}::uuid
      AND a.state IN ('CLAIMED', 'RUNNING')
    RETURNING a."runId", a.number, r.state`;
  const states = new Map(renewed.map((row) => [`${row.runId} ${row.number}`, row.state]));
  return fences.map((f) => {
    const state = states.get(`${f.runId.toLowerCase()} ${f.attemptNumber}`);
    return state === undefined ? "stop" : orderFor(state);
  });
}

/** Extends the lease of a locked, live attempt. */
export async function extendLease(tx: Tx, attempt: LockedAttempt): Promise<void> {
  await tx.$executeRaw`UPDATE attempt SET "leaseExpiresAt" = ${leaseEnd()}
    WHERE id = ${attempt.id}::uuid`;
}
