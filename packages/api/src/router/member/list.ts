import { organizationProcedure } from "../../trpc.ts";

/** Who belongs to the organisation. */
export const list = organizationProcedure("viewer").query(async ({ ctx, input }) => {
  const members = await ctx.platform.db.member.findMany({
    where: { organizationId: input.organizationId },
    include: { user: true },
    orderBy: { createdAt: "asc" },
  });
  return members.map(({ user, role, createdAt }) => ({
    userId: user.id,
    name: user.name,
    email: user.email,
    role,
    since: createdAt,
  }));
});
