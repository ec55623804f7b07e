import type { RunContext, Summary } from "@fmlab/experiment";
import type { ReplayConfig } from "../definitions/replay.ts";
import { checkThreads } from "../quality/run.ts";
import type { CellMessage, ReplayRunResult } from "./replay-job.ts";
import { reportReplay, tellCell } from "./replay-report.ts";
import { runInThread } from "./thread.ts";

/**
 * Runs `moe-offload.replay` in a thread of its own. The same config and seed give the same summary
 * to the byte, unless compute times are measured.
 *
 * @throws ExperimentError `MISSING_FILE` | `FORBIDDEN_PATH` | `CANCELLED`
 * @throws GgufError | MoeError | GgmlError for a model, trace or setting that does not do
 */
export async function run(ctx: RunContext, config: ReplayConfig): Promise<Summary> {
  checkThreads(config.threads);
  const needsModel = config.trace === "own-text" || config.compute === "measured";
  const needsTrace = config.trace === "file" && config.traceFile !== "";
  const job = {
    kind: "replay" as const,
    config,
    modelPath: needsModel ? await ctx.resolveFile(config.model) : undefined,
    tracePath: needsTrace ? await ctx.resolveFile(config.traceFile) : undefined,
    seed: ctx.seed,
  };
  if (needsModel) ctx.note("device", config.device);
  const result = await runInThread(ctx, job, (value) => tellCell(ctx, (value as CellMessage).cell));
  return reportReplay(ctx, result as ReplayRunResult);
}
