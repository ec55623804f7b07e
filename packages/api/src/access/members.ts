import type { Tx } from "@fmlab/db";
import { ApiError, notFound } from "../errors.ts";
import { hasRole, type Role } from "./roles.ts";

/** A membership whose row this transaction has locked. */
export interface LockedMember {
  id: string;
  userId: string;
  role: Role;
}

/** Locks all memberships of the organisation, so that two changes cannot remove the last owner. */
export async function lockMembers(tx: Tx, organizationId: string): Promise<LockedMember[]> {
  return tx.$queryRaw<LockedMember[]>`SELECT id, "userId", role FROM member
    WHERE "organizationId" = ${organizationId} ORDER BY id FOR UPDATE`;
}

/** @throws ApiError `NOT_FOUND` */
export function requireMember(members: readonly LockedMember[], userId: string): LockedMember {
  const member = members.find((m) => m.userId === userId);
  if (member === undefined) throw notFound("member", userId);
  return member;
}

/** @throws ApiError `ROLE_MISSING`: only an owner may give or take the role owner */
export function assertMayGive(own: Role, ...roles: readonly Role[]): void {
  if (!roles.includes("owner") || hasRole(own, "owner")) return;
  throw new ApiError(`only an owner may give or take the role owner; you are ${own}`, {
    code: "ROLE_MISSING",
    need: "owner",
    have: own,
  });
}

/** @throws ApiError `LAST_OWNER` when nobody but `userId` is an owner */
export function assertOwnerRemains(
  members: readonly LockedMember[],
  userId: string,
  organizationId: string,
): void {
  if (members.some((m) => m.role === "owner" && m.userId !== userId)) return;
  throw new ApiError("this is the last owner: make someone else an owner first", {
    code: "LAST_OWNER",
    organizationId,
  });
}
