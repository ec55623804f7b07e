import { z } from "zod";
import { hasRole } from "../../access/roles.ts";
import { audit } from "../../audit.ts";
import { notFound } from "../../errors.ts";
import { managementProcedure } from "../../trpc.ts";

/** Ends a token at once: the own one, or for an admin any. */
export const revoke = managementProcedure("member")
  .input(z.object({ tokenId: z.uuid() }))
  .mutation(({ ctx, input }) =>
    ctx.platform.db.$transaction(async (tx) => {
      const { organizationId, tokenId } = input;
      const token = await tx.apiToken.findUnique({ where: { id: tokenId, organizationId } });
      const isOwn = token?.use === "cli" && token.userId === ctx.user.id;
      if (token === null || !(isOwn || hasRole(ctx.role, "admin")))
        throw notFound("token", tokenId);
      await tx.apiToken.delete({ where: { id: tokenId } });
      await audit(tx, ctx.actor, {
        organizationId,
        action: "token.revoke",
        resourceType: "token",
        resourceId: tokenId,
        before: { name: token.name, use: token.use, userId: token.userId },
      });
      return { id: tokenId };
    }),
  );
