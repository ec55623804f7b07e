import { type ConfigProblem, isDomainError } from "@fmlab/experiment";
import { z } from "zod";
import { type CheckedConfig, checkConfig, requireExperiment } from "../../definitions.ts";
import { assertRunnable, misfitOf, missingFiles } from "../../launch/machine-fit.ts";
import { listMachines } from "../../launch/machines.ts";
import { plainText } from "../../plain-text.ts";
import { projectProcedure } from "../../trpc.ts";

/** Checks a config as `run.create` would, without launching. */
export const check = projectProcedure("viewer")
  .input(z.object({ kind: plainText(200), config: z.record(z.string(), z.unknown()) }))
  .query(async ({ ctx, input }) => {
    const { db, experiments } = ctx.platform;
    const definition = requireExperiment(experiments, input.kind);
    let checked: CheckedConfig;
    try {
      checked = checkConfig(definition, input.config);
    } catch (error) {
      return {
        ok: false,
        problems: problemsOf(error),
        requires: null,
        missingFiles: [],
        runnableOn: [],
      };
    }
    const { needs } = checked;
    const machines = await listMachines(db, ctx.organizationId);
    const problems: ConfigProblem[] = [];
    try {
      assertRunnable(machines, definition, needs);
    } catch (error) {
      problems.push(...problemsOf(error));
    }
    return {
      ok: problems.length === 0,
      problems,
      requires: needs,
      missingFiles: missingFiles(machines, needs),
      runnableOn: machines
        .filter((m) => m.online && misfitOf(m, definition, needs) === undefined)
        .map((m) => m.name),
    };
  });

function problemsOf(error: unknown): ConfigProblem[] {
  if (!isDomainError(error)) throw error;
  const { problems } = error.failure as { problems?: ConfigProblem[] };
  return problems ?? [{ path: "", message: error.message }];
}
