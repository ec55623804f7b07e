import { runProcedure } from "../../trpc.ts";

/** The files kept with a run, of all its attempts; fetched by GET /api/artifacts/<id>. */
export const artifacts = runProcedure("viewer").query(async ({ ctx, input }) => {
  const rows = await ctx.platform.db.artifact.findMany({
    where: { runId: input.runId, complete: true },
    include: { attempt: { select: { number: true } } },
    orderBy: [{ attempt: { number: "desc" } }, { name: "asc" }],
  });
  return rows.map(({ id, name, contentType, sizeBytes, sha256, attempt, createdAt }) => ({
    id,
    name,
    contentType,
    sizeBytes: Number(sizeBytes),
    sha256,
    attempt: attempt.number,
    createdAt,
  }));
});
