import { z } from "zod";
import { plainText } from "../../plain-text.ts";
import { projectProcedure } from "../../trpc.ts";

/** The project's named configs with their latest revisions. */
export const list = projectProcedure("viewer")
  .input(z.object({ kind: plainText(200).optional() }))
  .query(async ({ ctx, input }) => {
    const configs = await ctx.platform.db.experimentConfig.findMany({
      where: { projectId: input.projectId, ...(input.kind !== undefined && { kind: input.kind }) },
      include: {
        revisions: {
          orderBy: { number: "desc" },
          take: 1,
          select: { id: true, number: true, message: true, createdAt: true, author: true },
        },
        _count: { select: { revisions: true } },
      },
      orderBy: [{ kind: "asc" }, { name: "asc" }],
    });
    return configs.flatMap(({ id, kind, name, revisions: [latest], _count }) => {
      if (latest === undefined) return [];
      const { author, ...revision } = latest;
      return {
        id,
        kind,
        name,
        latest: { ...revision, authorName: author?.name ?? null },
        revisionCount: _count.revisions,
      };
    });
  });
