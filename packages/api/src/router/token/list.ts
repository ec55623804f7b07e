import { hasRole } from "../../access/roles.ts";
import { managementProcedure } from "../../trpc.ts";

/** The organisation's tokens, without secrets: all of them for an admin, else the own ones. */
export const list = managementProcedure("member").query(async ({ ctx, input }) => {
  const tokens = await ctx.platform.db.apiToken.findMany({
    where: {
      organizationId: input.organizationId,
      ...(!hasRole(ctx.role, "admin") && { use: "cli", userId: ctx.user.id }),
    },
    include: { user: { select: { name: true } } },
    orderBy: { createdAt: "desc" },
  });
  return tokens.map((t) => ({
    id: t.id,
    name: t.name,
    use: t.use === "agent" ? ("agent" as const) : ("cli" as const),
    start: t.start,
    userName: t.user?.name ?? null,
    expiresAt: t.expiresAt,
    lastUsedAt: t.lastUsedAt,
    createdAt: t.createdAt,
  }));
});
