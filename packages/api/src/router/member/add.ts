import { randomUUID } from "node:crypto";
import { z } from "zod";
import { assertMayGive } from "../../access/members.ts";
import { ROLES } from "../../access/roles.ts";
import { audit } from "../../audit.ts";
import { ApiError } from "../../errors.ts";
import { managementProcedure } from "../../trpc.ts";

/** Adds an existing user by email. */
export const add = managementProcedure("admin")
  .input(z.object({ email: z.email().max(320), role: z.enum(ROLES) }))
  .mutation(({ ctx, input }) => {
    const { organizationId, role } = input;
    const email = input.email.toLowerCase();
    assertMayGive(ctx.role, role);
    return ctx.platform.db.$transaction(async (tx) => {
      const user = await tx.user.findUnique({ where: { email } });
      if (user === null) {
        throw new ApiError(
          `nobody has signed up as ${email} yet: ask them to sign up on this server, then add them`,
          { code: "UNKNOWN_USER", email },
        );
      }
      const added = await tx.member.createMany({
        data: [{ id: randomUUID(), organizationId, userId: user.id, role, createdAt: new Date() }],
        skipDuplicates: true,
      });
      if (added.count === 0) {
        throw new ApiError(`${email} is already a member: change the role in the list instead`, {
          code: "NAME_TAKEN",
          resource: "member",
          name: email,
        });
      }
      await audit(tx, ctx.actor, {
        organizationId,
        action: "member.add",
        resourceType: "member",
        resourceId: user.id,
        after: { email, role },
      });
      return { userId: user.id };
    });
  });
