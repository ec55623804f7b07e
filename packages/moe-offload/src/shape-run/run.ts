import type { RunContext, Summary } from "@fmlab/experiment";
import type { ShapeConfig } from "../definitions/shape.ts";
import { MoeError } from "../errors.ts";
import { runInComputeThread } from "../quality/compute-thread.ts";
import { checkThreads } from "../quality/run.ts";
import type { ShapeJob, ShapeResult } from "./shape-job.ts";
import { reportShape } from "./shape-report.ts";

/**
 * Runs `moe-offload.shape`: one shape under every budget with every strategy, told cell by cell.
 *
 * @throws ExperimentError `CANCELLED`; MoeError, EngineError, GgmlError for what does not fit
 */
export async function run(ctx: RunContext, config: ShapeConfig): Promise<Summary> {
  checkThreads(config.threads);
  if (config.warmupTokens >= config.tokens) {
    throw new MoeError(
      `warmupTokens is ${config.warmupTokens}, so that none of ${config.tokens} tokens is counted. ` +
        "Set it below tokens.",
      {
        code: "BAD_SETTING",
        setting: "warmupTokens",
        value: config.warmupTokens,
        expected: `below ${config.tokens}`,
      },
    );
  }
  const { layers, ...rest } = config;
  const job: ShapeJob = { kind: "shape", ...rest, layerCount: layers, seed: ctx.seed };
  const result = (await runInComputeThread(ctx, job)) as ShapeResult;
  return reportShape(ctx, config, result);
}
