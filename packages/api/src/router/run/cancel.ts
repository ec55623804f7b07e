import { audit } from "../../audit.ts";
import { cancelRun } from "../../queue/cancel-run.ts";
import { runProcedure } from "../../trpc.ts";

/** Cancels a run; one that is over stays as it is. */
export const cancel = runProcedure("member").mutation(({ ctx, input }) =>
  ctx.platform.db.$transaction(async (tx) => {
    const { from, to } = await cancelRun(tx, input.runId);
    if (from !== to) {
      await audit(tx, ctx.actor, {
        organizationId: ctx.organizationId,
        action: "run.cancel",
        resourceType: "run",
        resourceId: input.runId,
        before: { state: from },
        after: { state: to },
      });
    }
    return { state: to };
  }),
);
