import type { RunContext, Summary } from "@fmlab/experiment";
import type { ShapeConfig } from "../definitions/shape.ts";
import { MoeError } from "../errors.ts";
import { runInComputeThread } from "../quality/compute-thread.ts";
import { checkThreads } from "../quality/run.ts";
import { withBudgets } from "./shape-budget.ts";
import type { ShapeJob, ShapeResult } from "./shape-job.ts";
import { reportShape } from "./shape-report.ts";

/**
 * Runs `moe-offload.shape`: one shape under every budget with every strategy, told cell by cell.
 *
 * @throws ExperimentError `CANCELLED`; MoeError, EngineError, GgmlError for what does not fit
 */
export async function run(ctx: RunContext, given: ShapeConfig): Promise<Summary> {
  const config = withBudgets(given);
  checkThreads(config.threads);
  checkThreads(config.cpuExperts.threads, "cpuExperts.threads");
  if (config.cpuExperts.threads > 0 && config.device === "cpu") {
    throw new MoeError(
      "cpuExperts lets the CPU compute missed experts beside a card, and device is cpu. Set " +
        "cpuExperts.threads to 0, or device to a card.",
      { code: "CONFLICTING_SETTINGS", settings: ["cpuExperts.threads", "device"] },
    );
  }
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
  const { layers, linkSpeed: _linkSpeed, vram: _vram, ...rest } = config;
  const job: ShapeJob = { kind: "shape", ...rest, layerCount: layers, seed: ctx.seed };
  const result = (await runInComputeThread(ctx, job)) as ShapeResult;
  return reportShape(ctx, config, result);
}
