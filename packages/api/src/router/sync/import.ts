import { runRecordSchema } from "@fmlab/experiment";
import { z } from "zod";
import { audit } from "../../audit.ts";
import { plainText } from "../../plain-text.ts";
import { logBatchSchema, metricBatchSchema, reportInput } from "../../protocol.ts";
import { importRun } from "../../reports/import-run.ts";
import { projectProcedure } from "../../trpc.ts";

/**
 * Uploads a run folder; artifacts follow by their own route. The same folder again changes nothing.
 */
export const importFolder = projectProcedure("member")
  .input(
    z.object({
      record: runRecordSchema.extend({
        kind: plainText(200),
        preset: plainText(200).nullable(),
        definitionVersion: z.int32(),
      }),
      summary: z.record(z.string(), z.unknown()).nullable(),
      metrics: z.array(metricBatchSchema).max(100_000).default([]),
      logs: z.array(logBatchSchema).max(10_000).default([]),
      series: reportInput.shape.series.default([]),
    }),
  )
  .mutation(({ ctx, input }) =>
    ctx.platform.db.$transaction(async (tx) => {
      const { organizationId } = ctx;
      const { projectId } = input;
      const into = { organizationId, projectId, userId: ctx.user.id };
      const imported = await importRun(tx, into, input);
      if (imported.created) {
        await audit(tx, ctx.actor, {
          organizationId,
          action: "sync.import",
          resourceType: "run",
          resourceId: imported.runId,
          after: { kind: input.record.kind, importKey: input.record.runId },
        });
      }
      return imported;
    }),
  );
