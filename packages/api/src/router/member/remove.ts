import { z } from "zod";
import {
  assertMayGive,
  assertOwnerRemains,
  lockMembers,
  requireMember,
} from "../../access/members.ts";
import { audit } from "../../audit.ts";
import { plainText } from "../../plain-text.ts";
import { managementProcedure } from "../../trpc.ts";

/**
 * Removes a member with every token that the member has made, an agent's too: who has left may have
 * kept the secrets. Runs and configs stay.
 */
export const remove = managementProcedure("admin")
  .input(z.object({ userId: plainText(64) }))
  .mutation(({ ctx, input }) =>
    ctx.platform.db.$transaction(async (tx) => {
      const { organizationId, userId } = input;
      const members = await lockMembers(tx, organizationId);
      const member = requireMember(members, userId);
      assertMayGive(ctx.role, member.role);
      if (member.role === "owner") assertOwnerRemains(members, userId, organizationId);
      await tx.member.delete({ where: { id: member.id } });
      const { count: tokens } = await tx.apiToken.deleteMany({ where: { organizationId, userId } });
      await audit(tx, ctx.actor, {
        organizationId,
        action: "member.remove",
        resourceType: "member",
        resourceId: userId,
        before: { role: member.role, tokens },
      });
      return { userId };
    }),
  );
