import type { RunContext } from "@fmlab/experiment";
import { runComputeThread } from "../worker/compute-thread.ts";
import type { ComputeJob, ComputeMessage } from "./compute-messages.ts";

/** What the main thread does with what a job tells. */
export type ComputeContext = Pick<RunContext, "signal" | "log" | "metric" | "progress">;

/**
 * Runs a job in its own thread, so that the caller's event loop stays free, and tells the run's
 * context of its progress. When the promise settles the thread has ended, and its native memory
 * and file handles are freed.
 *
 * @returns the job's result
 * @throws the job's errors; ExperimentError `CANCELLED` after an abort; MoeError `WORKER_DIED`
 */
export async function runInComputeThread(ctx: ComputeContext, job: ComputeJob): Promise<unknown> {
  const { result } = await runComputeThread<ComputeMessage>({
    entry: new URL("./compute.mjs", import.meta.url),
    data: { job },
    signal: ctx.signal,
    onMessage: (message) => tell(ctx, message),
    advice: "take a smaller model",
  });
  return result;
}

function tell(
  ctx: ComputeContext,
  message: Exclude<ComputeMessage, { type: "done" | "failed" }>,
): void {
  if (message.type === "progress") ctx.progress(message.done, message.total, message.label);
  else if (message.type === "log") ctx.log(message.message);
  else {
    const { step } = message;
    for (const { metric, value, labels } of message.points) {
      ctx.metric(metric, value, { ...labels, step });
    }
  }
}
