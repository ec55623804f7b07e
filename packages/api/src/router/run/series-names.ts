import { z } from "zod";
import { findAttempt } from "../../runs/find-attempt.ts";
import { runProcedure } from "../../trpc.ts";

/** Which pictures a run has written, and their versions. */
export const seriesNames = runProcedure("viewer")
  .input(z.object({ attempt: z.number().int().min(1).optional() }))
  .query(async ({ ctx, input }) => {
    const { db } = ctx.platform;
    const attempt = await findAttempt(db, ctx.run, input.attempt);
    if (attempt === undefined) return [];
    return db.seriesBlob.findMany({
      where: { attemptId: attempt.id },
      select: { name: true, kind: true, version: true },
      orderBy: { name: "asc" },
    });
  });
