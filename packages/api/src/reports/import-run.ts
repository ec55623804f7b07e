import { Prisma, type RunState, storableJson, storableText, type Tx } from "@fmlab/db";
import { LIMITS, type RunRecord } from "@fmlab/experiment";
import { notifyRun } from "../events/notify.ts";
import { configHash } from "../launch/config-hash.ts";
import { storeResults } from "../runs/store-results.ts";
import { assertLimit, type Batches, storeBatches } from "./store-report.ts";

/** A run folder, parsed. */
export interface ImportedRun extends Batches {
  record: RunRecord;
  summary: Record<string, unknown> | null;
}

/**
 * Stores a run that was done elsewhere (`fmlab sync`), once however often it comes: its own id is
 * the key. It enters in the state it ended in and never passes the queue.
 */
export async function importRun(
  tx: Tx,
  into: { organizationId: string; projectId: string; userId: string },
  run: ImportedRun,
): Promise<{ runId: string; created: boolean }> {
  const { record, summary } = run;
  const { projectId, organizationId } = into;
  const configBytes = Buffer.byteLength(JSON.stringify(record.config));
  assertLimit("bytes of config", LIMITS.configBytes, configBytes);
  const config = storableJson(record.config) as Prisma.InputJsonObject;
  const state: RunState = record.state;
  const [created] = await tx.run.createManyAndReturn({
    skipDuplicates: true,
    data: [
      {
        projectId,
        importKey: record.runId,
        launchId: record.runId,
        kind: record.kind,
        definitionVersion: record.definitionVersion,
        preset: record.preset,
        config,
        configHash: configHash(config),
        seed: record.seed,
        fidelity: record.fidelity,
        state,
        timeLimitSec: 0,
        maxAttempts: 1,
        attemptCount: 1,
        createdById: into.userId,
        createdAt: record.startedAt,
        queuedAt: record.startedAt,
        startedAt: record.startedAt,
        finishedAt: record.finishedAt,
        failureCode: record.failure?.code ?? null,
        failureMessage: record.failure && storableText(record.failure.message),
        summary: summary ? (storableJson(summary) as Prisma.InputJsonObject) : Prisma.DbNull,
      },
    ],
    select: { id: true },
  });
  if (created === undefined)
    return { runId: await findImported(tx, projectId, record), created: false };
  const attempt = await createEndedAttempt(tx, created.id, record);
  await storeBatches(tx, { runId: created.id, attemptId: attempt.id }, run);
  await storeResults(tx, created.id, summary);
  await notifyRun(tx, { organizationId, projectId, runId: created.id, what: ["created"], state });
  return { runId: created.id, created: true };
}

function createEndedAttempt(tx: Tx, runId: string, record: RunRecord): Promise<{ id: string }> {
  const { machine, code, inputs, notes, failure, state, startedAt, finishedAt } = record;
  const json = (value: unknown) => storableJson(value) as Prisma.InputJsonObject;
  return tx.attempt.create({
    data: {
      runId,
      number: 1,
      state,
      claimedAt: startedAt,
      startedAt,
      finishedAt,
      failure: failure ? json(failure) : Prisma.DbNull,
      reproduction: json({ machine, code, inputs, notes }),
    },
    select: { id: true },
  });
}

async function findImported(tx: Tx, projectId: string, record: RunRecord): Promise<string> {
  const { id } = await tx.run.findUniqueOrThrow({
    where: { projectId_importKey: { projectId, importKey: record.runId } },
    select: { id: true },
  });
  return id;
}
