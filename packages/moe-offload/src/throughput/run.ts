import type { RunContext, Summary } from "@fmlab/experiment";
import type { ThroughputConfig } from "../definitions/throughput.ts";
import { checkThreads } from "../quality/run.ts";
import { readTextInput } from "../quality/text-input.ts";
import { runThroughputWorker } from "./batch-worker.ts";
import type { ThroughputOptions } from "./messages.ts";
import { ThroughputReport } from "./throughput-report.ts";

const MIB = 1_048_576;

/**
 * Runs `moe-offload.throughput`: the planner, then every schedule at equal memory, told live.
 *
 * @throws ExperimentError `MISSING_FILE` | `FORBIDDEN_PATH` | `CANCELLED`
 * @throws GgufError | MoeError | GgmlError | EngineError for what does not do
 */
export async function run(ctx: RunContext, config: ThroughputConfig): Promise<Summary> {
  checkThreads(config.threads);
  const { budgetMiB, host, memoryMiB, model, textFile, ...rest } = config;
  const options: ThroughputOptions = {
    ...rest,
    schedules: [...new Set(rest.schedules)],
    modelPath: await ctx.resolveFile(model),
    text: textFile === "" ? undefined : (await readTextInput(ctx, { textFile, text: "" })).text,
    budgetBytes: Math.floor(budgetMiB * MIB),
    host: {
      budgetBytes: Math.floor(host.budgetMiB * MIB),
      mode: host.mode,
      preload: host.preload,
    },
    memoryBytes: Math.floor(memoryMiB * MIB),
    twinFolder: ctx.scratchDir,
    seed: ctx.seed,
  };
  const report = new ThroughputReport(ctx, config);
  const result = await runThroughputWorker(options, ctx.signal, (message) => {
    if (message.type === "opened") report.opened(message.facts);
    else if (message.type === "planned") report.planned(message.record);
    else if (message.type === "steps") report.steps(message.steps);
    else report.schedule(message.record);
  });
  return report.finish(result);
}
