import { type Prisma, storableJson, storableText, type Tx } from "@fmlab/db";
import { z } from "zod";
import { audit } from "../../audit.ts";
import { checkConfig, requireExperiment } from "../../definitions.ts";
import { ApiError } from "../../errors.ts";
import { nameSchema } from "../../names.ts";
import { plainText } from "../../plain-text.ts";
import { projectProcedure } from "../../trpc.ts";

/** Saves a config as a new, immutable revision; the first one creates the name. */
export const save = projectProcedure("member")
  .input(
    z.object({
      kind: plainText(200),
      name: nameSchema,
      config: z.record(z.string(), z.unknown()),
      message: z.string().max(2_000).default(""),
      parentId: z.uuid().optional(),
    }),
  )
  .mutation(({ ctx, input }) => {
    const { db, experiments } = ctx.platform;
    const { projectId, kind, name } = input;
    const { config } = checkConfig(requireExperiment(experiments, kind), input.config);
    return db.$transaction(async (tx) => {
      const configId = await lockConfig(tx, { projectId, kind, name });
      const latest = await tx.configRevision.findFirst({
        where: { experimentConfigId: configId },
        orderBy: { number: "desc" },
        include: { author: true },
      });
      if (input.parentId !== undefined && latest !== null && latest.id !== input.parentId) {
        const authorName = latest.author?.name ?? null;
        throw new ApiError(
          `${authorName ?? "someone"} saved revision ${latest.number} of "${name}" meanwhile: look ` +
            "at it, then save on top of it or under another name",
          { code: "REVISION_CONFLICT", latestRevisionId: latest.id, authorName },
        );
      }
      const revision = await tx.configRevision.create({
        data: {
          experimentConfigId: configId,
          number: (latest?.number ?? 0) + 1,
          parentId: latest?.id ?? null,
          config: storableJson(config) as Prisma.InputJsonObject,
          message: storableText(input.message),
          authorId: ctx.user.id,
        },
      });
      const { id: revisionId, number } = revision;
      await audit(tx, ctx.actor, {
        organizationId: ctx.organizationId,
        action: "config.save",
        resourceType: "config",
        resourceId: configId,
        after: { kind, name, number, revisionId },
      });
      return { configId, revisionId, number };
    });
  });

/** Creates the name if it is new, and locks it: revisions are numbered one after the other. */
async function lockConfig(
  tx: Tx,
  name: { projectId: string; kind: string; name: string },
): Promise<string> {
  await tx.experimentConfig.createMany({ data: [name], skipDuplicates: true });
  const rows = await tx.$queryRaw<{ id: string }[]>`
    SELECT id FROM experiment_config WHERE "projectId" = ${name.projectId}::uuid
      AND kind = ${name.kind} AND name = ${name.name} FOR NO KEY UPDATE`;
  const [row] = rows;
  if (row === undefined) throw new Error("a config that was just created is not there");
  return row.id;
}
