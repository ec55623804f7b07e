import { z } from "zod";
import { createToken, TOKEN_USES } from "../../access/tokens.ts";
import { audit } from "../../audit.ts";
import { nameSchema } from "../../names.ts";
import { managementProcedure, requireRole } from "../../trpc.ts";

/**
 * A new token: any member for the own command line, an admin for agents. The secret is shown once.
 */
export const create = managementProcedure("member")
  .input(
    z.object({
      name: nameSchema,
      use: z.enum(TOKEN_USES),
      expiresInDays: z.number().int().min(1).max(3_650).optional(),
    }),
  )
  .mutation(async ({ ctx, input }) => {
    const { organizationId, name, use, expiresInDays } = input;
    if (use === "agent") {
      await requireRole(ctx, organizationId, "admin", ["organisation", organizationId]);
    }
    return ctx.platform.db.$transaction(async (tx) => {
      const userId = ctx.user.id;
      const token = await createToken(tx, { organizationId, userId, use, name, expiresInDays });
      await audit(tx, ctx.actor, {
        organizationId,
        action: "token.create",
        resourceType: "token",
        resourceId: token.id,
        after: { name, use, expiresInDays },
      });
      return token;
    });
  });
