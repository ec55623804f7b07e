import { type Db, Prisma, type Tx } from "@fmlab/db";
import { notFound } from "../errors.ts";
import type { Job } from "../protocol.ts";
import { applyRunEvent, type LockedRun, leaseEnd } from "./apply-event.ts";
import { gpuFits } from "./gpu-fits.ts";

interface Candidate extends LockedRun {
  definitionVersion: number;
  config: Record<string, unknown>;
  seed: bigint;
  timeLimitSec: number;
}

/**
 * Gives the machine the first queued run that it can do, or null. Safe with any number of machines
 * and servers: the row is locked while it is taken, and rows that others lock are skipped.
 *
 * Order: priority falling, then time queued. A machine's free memory and VRAM are what its own
 * claims leave.
 *
 * @throws ApiError `NOT_FOUND` when the machine is not registered in the organisation
 */
export async function claimRun(
  db: Db,
  machine: { id: string; organizationId: string },
): Promise<Job | null> {
  return db.$transaction(async (tx) => {
    const seen = await tx.$executeRaw`UPDATE machine SET "lastSeenAt" = clock_timestamp()
      WHERE id = ${machine.id}::uuid AND "organizationId" = ${machine.organizationId}`;
    if (seen === 0) throw notFound("machine", machine.id);
    const run = await lockCandidate(tx, machine.id);
    if (run === undefined) return null;
    await applyRunEvent(tx, run, "claim");
    const attemptNumber = run.attemptCount + 1;
    const [attempt] = await tx.$queryRaw<{ id: string }[]>`
      INSERT INTO attempt (id, "runId", number, "machineId", "leaseExpiresAt", "claimedAt")
      VALUES (gen_random_uuid(), ${run.id}::uuid, ${attemptNumber}, ${machine.id}::uuid, ${leaseEnd()},
        clock_timestamp())
      RETURNING id`;
    if (attempt === undefined) throw new Error("an inserted attempt was not returned");
    // Summaries are of the latest attempt only; an earlier one's points stay in its chunks.
    if (attemptNumber > 1) await tx.metricSummary.deleteMany({ where: { runId: run.id } });
    return {
      runId: run.id,
      attemptNumber,
      attemptId: attempt.id,
      kind: run.kind,
      definitionVersion: run.definitionVersion,
      config: run.config,
      seed: Number(run.seed),
      timeLimitSec: run.timeLimitSec,
    };
  });
}

async function lockCandidate(tx: Tx, machineId: string): Promise<Candidate | undefined> {
  const rows = await tx.$queryRaw<Candidate[]>`
    SELECT r.id, r."projectId", p."organizationId", r.kind, r.state, r."attemptCount",
      r."maxAttempts", r."definitionVersion", r.config, r.seed, r."timeLimitSec"
    FROM run r JOIN project p ON p.id = r."projectId"
    JOIN machine m ON m.id = ${machineId}::uuid AND m."organizationId" = p."organizationId"
    WHERE r.state = 'QUEUED' AND ${FITS_MACHINE} AND r."requiredMemory" <= m."memoryBytes" - (
      SELECT coalesce(sum(busy."requiredMemory"), 0) FROM attempt a JOIN run busy ON busy.id = a."runId"
      WHERE a."machineId" = m.id AND a.state IN ('CLAIMED', 'RUNNING'))
      AND ${gpuFits(GPU_NEED, MACHINE_GPUS, CLAIMED_VRAM)}
    ORDER BY r.priority DESC, r."queuedAt", r.id
    LIMIT 1 FOR UPDATE OF r SKIP LOCKED`;
  return rows[0];
}

const GPU_NEED = Prisma.sql`r."requiredGpu"`;
const MACHINE_GPUS = Prisma.sql`m.facts -> 'gpus'`;
const CLAIMED_VRAM = Prisma.sql`(
  SELECT coalesce(sum((busy."requiredGpu" ->> 'vramBytes')::numeric), 0)
  FROM attempt a JOIN run busy ON busy.id = a."runId"
  WHERE a."machineId" = m.id AND a.state IN ('CLAIMED', 'RUNNING'))`;

/** Over `run r` and `machine m`: the machine offers what the run requires, in the same version. */
const FITS_MACHINE = Prisma.sql`r."requiredTags" <@ m.capabilities
  AND (m.definitions ->> r.kind)::int = r."definitionVersion"`;
