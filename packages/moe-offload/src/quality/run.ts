import { availableParallelism } from "node:os";
import { dirname, join } from "node:path";
import type { RunContext, Summary } from "@fmlab/experiment";
import type { QualityConfig } from "../definitions/quality.ts";
import { MoeError } from "../errors.ts";
import { runInComputeThread } from "./compute-thread.ts";
import { expandModes } from "./modes.ts";
import type { QualityResult } from "./quality-job.ts";
import { reportQuality } from "./quality-report.ts";
import { readTextInput } from "./text-input.ts";

/** Where low-precision copies lie that are kept beside a model. */
const TWIN_FOLDER = ".fmlab-twins";

/**
 * Runs `moe-offload.quality` in a compute thread.
 *
 * @throws ExperimentError `MISSING_FILE` | `FORBIDDEN_PATH` | `CANCELLED`
 * @throws GgufError | MoeError | GgmlError for a model, a text or a disk that does not do
 */
export async function run(ctx: RunContext, config: QualityConfig): Promise<Summary> {
  checkThreads(config.threads);
  const modelPath = await ctx.resolveFile(config.model);
  const { name, text } = await readTextInput(ctx, config);
  const isKept = config.twinFolder === "beside-model";
  const twinFolder = isKept ? join(dirname(modelPath), TWIN_FOLDER) : ctx.scratchDir;
  const { device, windowTokens, tokensMax, threads } = config;
  const modes = expandModes(config);
  const shared = { modelPath, text, modes, windowTokens, tokensMax, device, threads, twinFolder };
  const job = { kind: "quality" as const, ...shared };
  const result = (await runInComputeThread(ctx, job)) as QualityResult;
  ctx.note("device", result.deviceName);
  return reportQuality(ctx, result, name);
}

/**
 * Refuses more compute threads than the machine has: they spin at barriers, so that each token
 * would take milliseconds.
 *
 * @param setting  what the number is called in the config
 * @throws MoeError `BAD_SETTING`
 */
export function checkThreads(threads: number, setting = "threads"): void {
  const available = availableParallelism();
  if (threads <= available) return;
  throw new MoeError(
    `${setting} is ${threads}, but this machine has ${available} hardware threads. ` +
      `Set ${setting} to at most ${available}.`,
    {
      code: "BAD_SETTING",
      setting,
      value: threads,
      expected: `at most ${available} on this machine`,
    },
  );
}
