import { type AnyExperiment, isDomainError, parseConfig } from "@fmlab/experiment";
import { z } from "zod";
import { checkConfig, requireExperiment } from "../../definitions.ts";
import { assertRunnable, missingFiles } from "../../launch/machine-fit.ts";
import { type KnownMachine, listMachines } from "../../launch/machines.ts";
import { plainText } from "../../plain-text.ts";
import { projectProcedure } from "../../trpc.ts";

/** All that the launch form needs of an experiment. */
export const get = projectProcedure("viewer")
  .input(z.object({ kind: plainText(200) }))
  .query(async ({ ctx, input }) => {
    const { db, experiments } = ctx.platform;
    const d = requireExperiment(experiments, input.kind);
    const machines = await listMachines(db, ctx.organizationId);
    return {
      kind: d.kind,
      version: d.version,
      title: d.title,
      question: d.question,
      paper: d.paper ?? null,
      jsonSchema: z.toJSONSchema(d.config, { io: "input", unrepresentable: "any" }) as Record<
        string,
        unknown
      >,
      defaults: parseConfig(d, {}),
      presets: Object.fromEntries(
        Object.entries(d.presets).map(([name, preset]) => [
          name,
          {
            title: preset.title,
            description: preset.description,
            config: parseConfig(d, preset.config),
            everywhere: preset.everywhere ?? false,
          },
        ]),
      ),
      metrics: d.metrics,
      views: d.views,
      availability: Object.keys(d.presets).map((preset) => availabilityOf(d, preset, machines)),
      machines: machines.filter((m) => m.online).length,
    };
  });

function availabilityOf(d: AnyExperiment, preset: string, machines: KnownMachine[]) {
  const { needs } = checkConfig(d, d.presets[preset]?.config);
  try {
    assertRunnable(machines, d, needs);
    return { preset, ok: true };
  } catch (error) {
    if (!isDomainError(error)) throw error;
    return {
      preset,
      ok: false,
      problem: error.message,
      missingFiles: missingFiles(machines, needs),
    };
  }
}
