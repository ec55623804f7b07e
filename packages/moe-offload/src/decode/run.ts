import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { RunContext, Summary } from "@fmlab/experiment";
import type { DecodeConfig } from "../definitions/decode.ts";
import { megabytesPerSecondOf } from "../definitions/sizes.ts";
import type { Strategy } from "../offload/strategies.ts";
import { checkThreads } from "../quality/run.ts";
import { readTextInput } from "../quality/text-input.ts";
import type { HostTierOptions } from "../tiers/host-tier.ts";
import { runDecodeWorker } from "./decode-worker.ts";
import { expertBudgetBytes } from "./expert-budget.ts";
import type { LowPrecisionSettings, SessionOptions } from "./messages.ts";
import { Report } from "./report.ts";

const MIB = 1_048_576;
/** Name of the artifact that holds a recorded trace. */
const TRACE_FILE = "routing.trace.gz";

/**
 * Runs `moe-offload.decode`: one session in a compute thread, told live.
 *
 * @throws ExperimentError `MISSING_FILE` | `FORBIDDEN_PATH` | `CANCELLED`
 * @throws GgufError | MoeError | GgmlError for a model, budget or prompt that does not do
 */
export async function run(ctx: RunContext, config: DecodeConfig): Promise<Summary> {
  checkThreads(config.threads);
  checkThreads(config.cpuExperts.threads, "cpuExperts.threads");
  const modelPath = await ctx.resolveFile(config.model);
  const options: SessionOptions = {
    modelPath,
    strategy: strategyOf(config),
    device: config.device,
    budgetBytes: expertBudgetBytes(config, modelPath, contextTokensMax(config)),
    layerSizes: config.layerSizes,
    kvInBudget: config.kvInBudget,
    host: hostOf(config),
    link: linkOf(config),
    disk: config.disk,
    calibrationTokens: config.calibrationTokens,
    calibrationText: await calibrationText(ctx, config),
    lowPrecision: lowPrecisionOf(config, ctx.scratchDir),
    cpuExperts: config.cpuExperts.threads > 0 ? config.cpuExperts : undefined,
    sampling: config.sampling,
    seed: ctx.seed,
    threads: config.threads,
    timelineTokens: config.timelineTokens,
    promptEvaluation: config.promptEvaluation,
    ignoreEnd: config.ignoreEnd,
    contextTokensMax: contextTokensMax(config),
  };
  const tracePath = config.recordTrace ? join(ctx.scratchDir, TRACE_FILE) : undefined;
  if (tracePath !== undefined) options.tracePath = tracePath;
  const report = new Report(ctx, config);
  const { lossy, result } = await runDecodeWorker({
    options,
    prompts: config.prompts,
    maxTokens: config.maxTokens,
    signal: ctx.signal,
    onMessage: (message) => {
      if (message.type === "opened") report.opened(message.facts);
      else if (message.type === "calibrating") report.calibrating(message.done, message.total);
      else if (message.type === "twins") report.makingTwins(message.done, message.total);
      else if (message.type === "comparing") report.comparing(message.done, message.total);
      else if (message.type === "prompt") report.prompt(message.record);
      else report.steps(message.steps);
    },
  });
  if (tracePath !== undefined) {
    await ctx.artifact(TRACE_FILE, await readFile(tracePath), "application/gzip");
  }
  return await report.finish(result, lossy);
}

/** The parts of a config that decide when an expert is where. */
export function strategyOf(config: DecodeConfig): Strategy {
  const { policy, predictor, prefetch, readyFirst } = config;
  return { policy, predictor, prefetch, readyFirst };
}

async function calibrationText(
  ctx: RunContext,
  { calibrationFile }: DecodeConfig,
): Promise<string | undefined> {
  if (calibrationFile === "") return undefined;
  return (await readTextInput(ctx, { textFile: calibrationFile, text: "" })).text;
}

function lowPrecisionOf(
  { lowPrecision: { type, upgrade } }: DecodeConfig,
  otherFolder: string,
): LowPrecisionSettings | undefined {
  return type === "none" ? undefined : { kind: type, upgrade, otherFolder };
}

function hostOf({ host }: DecodeConfig): HostTierOptions {
  const { budgetMiB, mode, preload } = host;
  return { budgetBytes: Math.floor(budgetMiB * MIB), mode, preload };
}

/** A token stands for at least one byte, and one is put before the prompt. */
/** The link, with the bandwidth that `linkSpeed` says where it says one. */
export function linkOf({ link, linkSpeed }: Pick<DecodeConfig, "link" | "linkSpeed">) {
  return { ...link, bandwidthMBps: megabytesPerSecondOf(linkSpeed) ?? link.bandwidthMBps };
}

function contextTokensMax(config: DecodeConfig): number {
  const longest = Math.max(...config.prompts.map((prompt) => Buffer.byteLength(prompt)));
  return longest + 1 + config.maxTokens;
}
