import { presetConfig } from "@fmlab/experiment";
import { z } from "zod";
import { audit } from "../../audit.ts";
import { checkConfig, requireExperiment } from "../../definitions.ts";
import { ApiError, notFound } from "../../errors.ts";
import { createRuns } from "../../launch/create-runs.ts";
import { plainText } from "../../plain-text.ts";
import type { Platform } from "../../platform.ts";
import { projectProcedure } from "../../trpc.ts";

const launchInput = z.object({
  kind: plainText(200),
  preset: plainText(200).optional(),
  configRevisionId: z.uuid().optional(),
  /** Wins over the revision's and the preset's; those then only name where it came from. */
  config: z.record(z.string(), z.unknown()).optional(),
  seeds: z.array(z.number().int().min(0).max(Number.MAX_SAFE_INTEGER)).min(1).max(1_000),
  repeats: z.number().int().min(1).max(1_000).default(1),
  priority: z.number().int().min(-1_000).max(1_000).default(0),
  timeLimitSec: z
    .number()
    .int()
    .min(1)
    .max(7 * 86_400)
    .default(3_600),
  maxAttempts: z.number().int().min(1).max(10).default(3),
  idempotencyKey: z.uuid().optional(),
});

/** Launches an experiment: one queued run for each seed and repeat. */
export const create = projectProcedure("member")
  .input(launchInput)
  .mutation(async ({ ctx, input }) => {
    const { db, experiments } = ctx.platform;
    const { projectId, repeats, seeds, kind, preset, configRevisionId, ...rest } = input;
    const definition = requireExperiment(experiments, kind);
    const config = await chosenConfig(ctx.platform, input);
    const checked = checkConfig(definition, config);
    return db.$transaction(async (tx) => {
      const { launchId, runs, created } = await createRuns(tx, {
        ...rest,
        ...checked,
        organizationId: ctx.organizationId,
        projectId,
        definition,
        preset: preset ?? null,
        configRevisionId: configRevisionId ?? null,
        seeds: seeds.flatMap((seed) => new Array<number>(repeats).fill(seed)),
        createdById: ctx.user.id,
        idempotencyKey: input.idempotencyKey,
      });
      if (created) {
        await audit(tx, ctx.actor, {
          organizationId: ctx.organizationId,
          action: "run.create",
          resourceType: "launch",
          resourceId: launchId,
          after: { projectId, kind, preset, configRevisionId, runs: runs.length },
        });
      }
      return { launchId, runs };
    });
  });

async function chosenConfig(
  { db, experiments }: Platform,
  input: z.output<typeof launchInput> & { projectId: string },
): Promise<unknown> {
  const { kind, preset, configRevisionId, projectId } = input;
  if (preset !== undefined) {
    const found = presetConfig(requireExperiment(experiments, kind), preset);
    if (input.config === undefined && configRevisionId === undefined) return found;
  }
  if (configRevisionId === undefined) return input.config ?? {};
  const revision = await db.configRevision.findUnique({
    where: { id: configRevisionId, experimentConfig: { projectId } },
    include: { experimentConfig: true },
  });
  if (revision === null) throw notFound("config revision", configRevisionId);
  if (revision.experimentConfig.kind !== kind) {
    throw new ApiError(
      `the config revision is of ${revision.experimentConfig.kind}, not of ${kind}: choose one of ${kind}`,
      { code: "BAD_REQUEST", field: "configRevisionId" },
    );
  }
  return input.config ?? revision.config;
}
