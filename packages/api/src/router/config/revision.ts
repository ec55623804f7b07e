import { z } from "zod";
import { notFound } from "../../errors.ts";
import { requireRole, userProcedure } from "../../trpc.ts";

/** One revision with its config's kind and name. */
export const revision = userProcedure
  .meta({ access: { scope: "config", role: "viewer" } })
  .input(z.object({ revisionId: z.uuid() }))
  .query(async ({ ctx, input }) => {
    const found = await ctx.platform.db.configRevision.findUnique({
      where: { id: input.revisionId },
      include: {
        author: true,
        experimentConfig: { include: { project: { select: { organizationId: true } } } },
      },
    });
    const owner = found?.experimentConfig.project.organizationId;
    await requireRole(ctx, owner, "viewer", ["config revision", input.revisionId]);
    if (found === null) throw notFound("config revision", input.revisionId);
    const { experimentConfig, author } = found;
    return {
      id: found.id,
      number: found.number,
      parentId: found.parentId,
      config: found.config as Record<string, unknown>,
      message: found.message,
      authorName: author?.name ?? null,
      createdAt: found.createdAt,
      configId: experimentConfig.id,
      projectId: experimentConfig.projectId,
      kind: experimentConfig.kind,
      name: experimentConfig.name,
    };
  });
