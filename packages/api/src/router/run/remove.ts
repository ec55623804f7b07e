import { audit } from "../../audit.ts";
import { ApiError, notFound } from "../../errors.ts";
import { notifyRun } from "../../events/notify.ts";
import { lockRun } from "../../queue/apply-event.ts";
import { isTerminal } from "../../run-state.ts";
import { runProcedure } from "../../trpc.ts";

/** Deletes a run that is over, with its points, lines, pictures and files. */
export const remove = runProcedure("admin").mutation(({ ctx, input }) =>
  ctx.platform.db.$transaction(async (tx) => {
    const run = await lockRun(tx, input.runId);
    if (run === undefined) throw notFound("run", input.runId);
    if (!isTerminal(run.state)) {
      throw new ApiError(`the run is ${run.state}: cancel it first, then remove it`, {
        code: "INVALID_TRANSITION",
        state: run.state,
        event: "remove",
      });
    }
    const { organizationId, projectId, kind, state } = run;
    await tx.run.delete({ where: { id: run.id } });
    await audit(tx, ctx.actor, {
      organizationId,
      action: "run.remove",
      resourceType: "run",
      resourceId: run.id,
      before: { kind, state, projectId },
    });
    await notifyRun(tx, { organizationId, projectId, runId: run.id, what: ["state"] });
    return { id: run.id };
  }),
);
