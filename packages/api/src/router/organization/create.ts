import { randomBytes, randomUUID } from "node:crypto";
import { z } from "zod";
import { audit } from "../../audit.ts";
import { nameSchema } from "../../names.ts";
import { requireSession, userProcedure } from "../../trpc.ts";

/** A new organisation that the caller owns, with its first project. */
export const create = userProcedure
  .input(z.object({ name: nameSchema, projectName: nameSchema }))
  .mutation(({ ctx, input }) => {
    requireSession(ctx);
    return ctx.platform.db.$transaction(async (tx) => {
      const { name, projectName } = input;
      const organizationId = randomUUID();
      const now = new Date();
      await tx.organization.create({
        data: { id: organizationId, name, slug: slugOf(name), createdAt: now },
      });
      await tx.member.create({
        data: {
          id: randomUUID(),
          organizationId,
          userId: ctx.user.id,
          role: "owner",
          createdAt: now,
        },
      });
      const project = await tx.project.create({ data: { organizationId, name: projectName } });
      await audit(tx, ctx.actor, {
        organizationId,
        action: "organization.create",
        resourceType: "organization",
        resourceId: organizationId,
        after: { name, projectName },
      });
      return { organizationId, projectId: project.id };
    });
  });

/** Readable and unique: `Edge lab` becomes `edge-lab-3f9a2c`. */
function slugOf(name: string): string {
  const words = name
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-|-$/g, "");
  return [words.slice(0, 40), randomBytes(3).toString("hex")].filter(Boolean).join("-");
}
