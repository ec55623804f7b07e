import type { Series } from "@fmlab/experiment";
import { z } from "zod";
import { plainText } from "../../plain-text.ts";
import { findAttempt } from "../../runs/find-attempt.ts";
import { runProcedure } from "../../trpc.ts";

/** The data of one picture; null while the run has not written it. */
export const series = runProcedure("viewer")
  .input(z.object({ name: plainText(100), attempt: z.int32().min(1).optional() }))
  .query(async ({ ctx, input }) => {
    const { db } = ctx.platform;
    const attempt = await findAttempt(db, ctx.run, input.attempt);
    if (attempt === undefined) return null;
    const blob = await db.seriesBlob.findUnique({
      where: { attemptId_name: { attemptId: attempt.id, name: input.name } },
    });
    // Stored only after validation against the same schema.
    return blob && { version: blob.version, data: blob.data as unknown as Series };
  });
