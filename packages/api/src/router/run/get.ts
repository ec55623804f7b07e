import { Prisma, type Tx } from "@fmlab/db";
import type { Failure, Reproduction } from "@fmlab/experiment";
import type { Role } from "../../access/roles.ts";
import { notFound } from "../../errors.ts";
import type { Platform } from "../../platform.ts";
import { queuePosition } from "../../runs/queue-position.ts";
import { readRunRows } from "../../runs/run-row.ts";
import { runProcedure } from "../../trpc.ts";

/** Whose eyes a run is read with. */
interface Reader {
  platform: Platform;
  organizationId: string;
  role: Role;
}

/** Everything about one run but its points, lines and pictures, as it was at one moment. */
export const get = runProcedure("viewer").query(({ ctx, input }) =>
  ctx.platform.db.$transaction((tx) => readRun(tx, ctx, input.runId), {
    isolationLevel: "RepeatableRead",
  }),
);

async function readRun(tx: Tx, { platform, organizationId, role }: Reader, runId: string) {
  const { experiments } = platform;
  const run = await tx.run.findUnique({
    where: { id: runId },
    include: {
      attempts: { orderBy: { number: "asc" }, include: { machine: { select: { name: true } } } },
      metricSummaries: { select: { key: true } },
      configRevision: { include: { experimentConfig: true } },
    },
  });
  if (run === null) throw notFound("run", runId);
  const definition = experiments.get(run.kind);
  const [found] = await readRunRows(tx, {
    where: Prisma.sql`r.id = ${runId}::uuid`,
    orderBy: Prisma.sql`r.id`,
    limit: 1,
    columns: run.metricSummaries.map((s) => s.key),
    titleOf: () => definition?.title,
  });
  if (found === undefined) throw notFound("run", runId);
  const revision = run.configRevision;
  return {
    ...found.row,
    config: run.config as Record<string, unknown>,
    configHash: run.configHash,
    definitionVersion: run.definitionVersion,
    projectId: run.projectId,
    organizationId,
    launchId: run.launchId,
    priority: run.priority,
    timeLimitSec: run.timeLimitSec,
    maxAttempts: run.maxAttempts,
    failureMessage: run.failureMessage,
    summary: run.summary as Record<string, unknown> | null,
    note: run.note,
    definition: definition
      ? { title: definition.title, metrics: definition.metrics, views: definition.views }
      : null,
    attempts: run.attempts.map((a) => ({
      id: a.id,
      number: a.number,
      state: a.state,
      machineName: a.machine?.name ?? null,
      claimedAt: a.claimedAt,
      startedAt: a.startedAt,
      finishedAt: a.finishedAt,
      failure: a.failure as Failure | null,
      reproduction: a.reproduction as Reproduction | null,
    })),
    queue: run.state === "QUEUED" ? await queuePosition(tx, { ...run, organizationId }) : null,
    role,
    configRevision: revision && {
      id: revision.id,
      number: revision.number,
      configId: revision.experimentConfigId,
      name: revision.experimentConfig.name,
    },
  };
}
