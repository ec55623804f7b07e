import { z } from "zod";
import { requireRole, userProcedure } from "../../trpc.ts";

/** All revisions of a config, newest first. */
export const history = userProcedure
  .meta({ access: { scope: "config", role: "viewer" } })
  .input(z.object({ configId: z.uuid() }))
  .query(async ({ ctx, input }) => {
    const config = await ctx.platform.db.experimentConfig.findUnique({
      where: { id: input.configId },
      include: {
        project: { select: { organizationId: true } },
        revisions: { orderBy: { number: "desc" }, include: { author: true } },
      },
    });
    const owner = config?.project.organizationId;
    await requireRole(ctx, owner, "viewer", ["config", input.configId]);
    return (config?.revisions ?? []).map((r) => ({
      id: r.id,
      number: r.number,
      parentId: r.parentId,
      config: r.config as Record<string, unknown>,
      message: r.message,
      authorName: r.author?.name ?? null,
      createdAt: r.createdAt,
    }));
  });
