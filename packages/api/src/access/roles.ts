import type { Tx } from "@fmlab/db";

/** Roles in an organisation, each with the rights of those before it. */
export const ROLES = ["viewer", "member", "admin", "owner"] as const;
export type Role = (typeof ROLES)[number];

/** True when `role` has at least the rights of `need`. */
export function hasRole(role: string, need: Role): boolean {
  return ROLES.indexOf(role as Role) >= ROLES.indexOf(need);
}

/** The user's role; undefined when not a member. */
export async function findRole(
  tx: Tx,
  userId: string,
  organizationId: string,
): Promise<Role | undefined> {
  const member = await tx.member.findUnique({
    where: { organizationId_userId: { organizationId, userId } },
    select: { role: true },
  });
  return ROLES.find((role) => role === member?.role);
}
