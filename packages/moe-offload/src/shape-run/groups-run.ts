import type { RunContext, Summary } from "@fmlab/experiment";
import type { ShapeGroupsConfig } from "../definitions/shape-groups.ts";
import { checkThreads } from "../quality/run.ts";
import { runGroupsWorker } from "../throughput/batch-worker.ts";
import { bubbleShare, bytesPerToken, tokensPerSecond } from "../throughput/schedule-numbers.ts";
import type { GroupsJob, GroupsRecord } from "./groups-job.ts";
import { reportGroups } from "./groups-report.ts";

/**
 * Runs `moe-offload.shape-groups`: every schedule over one shape at equal memory, told live.
 *
 * @throws ExperimentError `CANCELLED`; MoeError, EngineError, GgmlError for what does not fit
 */
export async function run(ctx: RunContext, config: ShapeGroupsConfig): Promise<Summary> {
  checkThreads(config.threads);
  const { layers, schedules, ...rest } = config;
  const job: GroupsJob = {
    ...rest,
    layerCount: layers,
    schedules: [...new Set(schedules)],
    seed: ctx.seed,
  };
  let told = 0;
  const result = await runGroupsWorker(job, ctx.signal, (message) => {
    if (message.type === "log") ctx.log(message.message);
    else if (message.type === "progress") ctx.progress(message.done, message.total, message.label);
    else tell(ctx, message.record, told++);
  });
  return reportGroups(ctx, { ...config, schedules: [...job.schedules] }, result);
}

function tell(ctx: RunContext, record: GroupsRecord, step: number): void {
  const axes = { step, schedule: record.schedule };
  ctx.metric("tokensPerSecond", tokensPerSecond(record), axes);
  ctx.metric("bytesPerToken", bytesPerToken(record), axes);
  ctx.metric("bubbleShare", bubbleShare(record), axes);
  ctx.log(
    `${record.schedule}: ${tokensPerSecond(record).toFixed(2)} tok/s ` +
      `(prompts ${(record.prefillMs / 1e3).toFixed(1)} s, generation ` +
      `${(record.decodeMs / 1e3).toFixed(1)} s)`,
  );
}
