import { z } from "zod";
import { audit } from "../../audit.ts";
import { ApiError } from "../../errors.ts";
import { nameSchema } from "../../names.ts";
import { organizationProcedure } from "../../trpc.ts";

/** A new, empty project. */
export const create = organizationProcedure("admin")
  .input(z.object({ name: nameSchema }))
  .mutation(({ ctx, input }) =>
    ctx.platform.db.$transaction(async (tx) => {
      const { organizationId, name } = input;
      const [project] = await tx.project.createManyAndReturn({
        data: [{ organizationId, name }],
        skipDuplicates: true,
      });
      if (project === undefined) {
        throw new ApiError(`there is already a project "${name}": choose another name`, {
          code: "NAME_TAKEN",
          resource: "project",
          name,
        });
      }
      const { id } = project;
      await audit(tx, ctx.actor, {
        organizationId,
        action: "project.create",
        resourceType: "project",
        resourceId: id,
        after: { name },
      });
      return { id, name, organizationId };
    }),
  );
