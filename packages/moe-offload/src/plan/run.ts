import type { RunContext, Summary } from "@fmlab/experiment";
import type { PlanConfig } from "../definitions/plan.ts";
import { checkThreads } from "../quality/run.ts";
import { runInThread } from "../replay-run/thread.ts";
import type { PlanRunResult } from "./plan-job.ts";
import { reportPlan } from "./plan-report.ts";

/**
 * Runs `moe-offload.plan` in a thread of its own.
 *
 * @throws ExperimentError `MISSING_FILE` | `FORBIDDEN_PATH` | `CANCELLED`
 * @throws GgufError | MoeError | GgmlError for a model or a memory that does not do
 */
export async function run(ctx: RunContext, config: PlanConfig): Promise<Summary> {
  checkThreads(config.threads);
  const job = {
    kind: "plan" as const,
    config,
    modelPath: config.shape === "none" ? await ctx.resolveFile(config.model) : undefined,
    seed: ctx.seed,
  };
  if (job.modelPath !== undefined) ctx.note("device", config.device);
  const result = (await runInThread(ctx, job)) as PlanRunResult;
  return reportPlan(ctx, result, config);
}
