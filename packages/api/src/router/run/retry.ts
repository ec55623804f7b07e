import { audit } from "../../audit.ts";
import { checkConfig, requireExperiment } from "../../definitions.ts";
import { notFound } from "../../errors.ts";
import { createRuns } from "../../launch/create-runs.ts";
import { runProcedure } from "../../trpc.ts";

/** Queues a new run with the same config and seed; the old one stays. */
export const retry = runProcedure("member").mutation(async ({ ctx, input }) => {
  const { db, experiments } = ctx.platform;
  const old = await db.run.findUnique({ where: { id: input.runId } });
  if (old === null) throw notFound("run", input.runId);
  const definition = requireExperiment(experiments, old.kind);
  const checked = checkConfig(definition, old.config);
  const { organizationId } = ctx;
  return db.$transaction(async (tx) => {
    const { runs } = await createRuns(tx, {
      ...checked,
      organizationId,
      projectId: old.projectId,
      definition,
      preset: old.preset,
      configRevisionId: old.configRevisionId,
      seeds: [Number(old.seed)],
      priority: old.priority,
      timeLimitSec: Math.max(1, old.timeLimitSec),
      maxAttempts: Math.max(1, old.maxAttempts),
      createdById: ctx.user.id,
      idempotencyKey: undefined,
    });
    const id = runs[0]?.id ?? "";
    await audit(tx, ctx.actor, {
      organizationId,
      action: "run.retry",
      resourceType: "run",
      resourceId: old.id,
      after: { newRunId: id },
    });
    return { id };
  });
});
