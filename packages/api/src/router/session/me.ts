import { ROLES, type Role } from "../../access/roles.ts";
import { publicProcedure } from "../../trpc.ts";

/** Who is signed in, and where; also tells whether the demo user may sign in. */
export const me = publicProcedure.query(async ({ ctx }) => {
  const { caller, platform } = ctx;
  const { localMode } = platform;
  if (caller.kind !== "session" && caller.kind !== "cli") {
    return { user: null, organizations: [], localMode };
  }
  const memberships = await platform.db.member.findMany({
    where: {
      userId: caller.user.id,
      ...(caller.kind === "cli" && { organizationId: caller.organizationId }),
    },
    include: { organization: true },
    orderBy: { organization: { name: "asc" } },
  });
  const organizations = memberships.map(({ organization, role }) => ({
    id: organization.id,
    name: organization.name,
    slug: organization.slug,
    role: ROLES.find((r) => r === role) ?? ("viewer" satisfies Role),
  }));
  return { user: caller.user, organizations, localMode };
});
