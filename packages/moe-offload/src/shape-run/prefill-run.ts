import type { RunContext, Summary } from "@fmlab/experiment";
import type { ShapePrefillConfig } from "../definitions/shape-prefill.ts";
import { runInComputeThread } from "../quality/compute-thread.ts";
import { checkThreads } from "../quality/run.ts";
import type { ShapePrefillJob, ShapePrefillResult } from "./prefill-job.ts";
import { reportPrefill } from "./prefill-report.ts";

/**
 * Runs `moe-offload.shape-prefill`: prompts over one shape under every budget with every strategy.
 *
 * @throws ExperimentError `CANCELLED`; MoeError, EngineError, GgmlError for what does not fit
 */
export async function run(ctx: RunContext, config: ShapePrefillConfig): Promise<Summary> {
  checkThreads(config.threads);
  const { layers, ...rest } = config;
  const job: ShapePrefillJob = {
    kind: "shape-prefill",
    ...rest,
    // Each once: a cell is told by its values.
    slots: [...new Set(config.slots)],
    strategies: [...new Set(config.strategies)],
    promptTokens: [...new Set(config.promptTokens)],
    layerCount: layers,
    seed: ctx.seed,
  };
  const result = (await runInComputeThread(ctx, job)) as ShapePrefillResult;
  return reportPrefill(ctx, config, result);
}
