import type { RunContext, Summary } from "@fmlab/experiment";
import type { AccuracyConfig } from "../definitions/accuracy.ts";
import { runInComputeThread } from "../quality/compute-thread.ts";
import { checkThreads } from "../quality/run.ts";
import { readTextInput } from "../quality/text-input.ts";
import type { AccuracyResult } from "./accuracy-job.ts";
import { reportAccuracy } from "./accuracy-report.ts";

/**
 * Runs `moe-offload.accuracy` in a compute thread.
 *
 * @throws ExperimentError `MISSING_FILE` | `FORBIDDEN_PATH` | `CANCELLED`
 * @throws GgufError | MoeError | GgmlError for a model or a text that does not do
 */
export async function run(ctx: RunContext, config: AccuracyConfig): Promise<Summary> {
  checkThreads(config.threads);
  const modelPath = await ctx.resolveFile(config.model);
  const { name, text } = await readTextInput(ctx, config);
  const { device, windowTokens, tokensMax, threads } = config;
  const { budgetsPercent, calibrationTokens, hitRateTokensMax } = config;
  const result = (await runInComputeThread(ctx, {
    kind: "accuracy",
    modelPath,
    text,
    textName: name,
    windowTokens,
    tokensMax,
    device,
    threads,
    seed: ctx.seed,
    calibrationTokens,
    budgetsPercent,
    hitRateTokensMax,
  })) as AccuracyResult;
  ctx.note("device", result.deviceName);
  return reportAccuracy(ctx, result, config, name);
}
