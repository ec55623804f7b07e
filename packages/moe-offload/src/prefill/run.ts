import type { RunContext, Summary } from "@fmlab/experiment";
import type { PrefillConfig } from "../definitions/prefill.ts";
import { checkThreads } from "../quality/run.ts";
import { readTextInput } from "../quality/text-input.ts";
import { runPrefillWorker } from "../throughput/batch-worker.ts";
import { PrefillReport } from "./prefill-report.ts";

const MIB = 1_048_576;

/**
 * Runs `moe-offload.prefill`: prompts in waves under every budget and link, told cell by cell.
 *
 * @throws ExperimentError `MISSING_FILE` | `FORBIDDEN_PATH` | `CANCELLED`
 * @throws GgufError | MoeError | GgmlError | EngineError for what does not do
 */
export async function run(ctx: RunContext, config: PrefillConfig): Promise<Summary> {
  checkThreads(config.threads);
  const { device, host, latencyUs, mixture, textFile } = config;
  const report = new PrefillReport(ctx, config);
  const options = {
    modelPath: await ctx.resolveFile(config.model),
    text: textFile === "" ? undefined : (await readTextInput(ctx, { textFile, text: "" })).text,
    promptTokens: distinct(config.promptTokens),
    budgetsBytes: distinct(config.budgetsMiB).map((budgetMiB) => Math.floor(budgetMiB * MIB)),
    links: distinct(config.linksMBps).map((bandwidthMBps) => ({
      bandwidthMBps,
      latencyUs,
      queueDepth: 1,
    })),
    repeats: config.repeats,
    device,
    host: {
      budgetBytes: Math.floor(host.budgetMiB * MIB),
      mode: host.mode,
      preload: host.preload,
    },
    threads: config.threads,
    seed: ctx.seed,
    ...(mixture.rate > 0 && {
      mixture: { rate: mixture.rate, kind: mixture.low, otherFolder: ctx.scratchDir },
    }),
  };
  const result = await runPrefillWorker(options, ctx.signal, (message) => {
    if (message.type === "opened") report.opened(message.facts);
    else if (message.type === "twins") report.makingTwins(message.done, message.total);
    else report.cell(message.cell);
  });
  return report.finish(result);
}

/** Each value once: a cell is told by its values. */
function distinct(values: readonly number[]): number[] {
  return [...new Set(values)];
}
