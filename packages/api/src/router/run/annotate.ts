import { storableText } from "@fmlab/db";
import { z } from "zod";
import { audit } from "../../audit.ts";
import { notFound } from "../../errors.ts";
import { notifyRun } from "../../events/notify.ts";
import { runProcedure } from "../../trpc.ts";

/** Replaces a run's note. */
export const annotate = runProcedure("member")
  .input(z.object({ note: z.string().max(20_000) }))
  .mutation(({ ctx, input }) =>
    ctx.platform.db.$transaction(async (tx) => {
      const note = storableText(input.note);
      const { organizationId } = ctx;
      const before = await tx.run.findUnique({
        where: { id: input.runId },
        select: { note: true },
      });
      if (before === null) throw notFound("run", input.runId);
      await tx.run.update({ where: { id: input.runId }, data: { note } });
      await audit(tx, ctx.actor, {
        organizationId,
        action: "run.annotate",
        resourceType: "run",
        resourceId: input.runId,
        before,
        after: { note },
      });
      const { projectId } = ctx.run;
      await notifyRun(tx, { organizationId, projectId, runId: input.runId, what: ["state"] });
      return { note };
    }),
  );
