import { z } from "zod";
import {
  assertMayGive,
  assertOwnerRemains,
  lockMembers,
  requireMember,
} from "../../access/members.ts";
import { ROLES } from "../../access/roles.ts";
import { audit } from "../../audit.ts";
import { plainText } from "../../plain-text.ts";
import { managementProcedure } from "../../trpc.ts";

/** Changes a member's role. */
export const setRole = managementProcedure("admin")
  .input(z.object({ userId: plainText(64), role: z.enum(ROLES) }))
  .mutation(({ ctx, input }) =>
    ctx.platform.db.$transaction(async (tx) => {
      const { organizationId, userId, role } = input;
      const members = await lockMembers(tx, organizationId);
      const member = requireMember(members, userId);
      if (member.role === role) return { role };
      assertMayGive(ctx.role, member.role, role);
      if (member.role === "owner") assertOwnerRemains(members, userId, organizationId);
      await tx.member.update({ where: { id: member.id }, data: { role } });
      await audit(tx, ctx.actor, {
        organizationId,
        action: "member.setRole",
        resourceType: "member",
        resourceId: userId,
        before: { role: member.role },
        after: { role },
      });
      return { role };
    }),
  );
