import type { RunContext } from "@fmlab/experiment";
import { runComputeThread } from "../worker/compute-thread.ts";
import type { ThreadJob, ThreadMessage } from "./thread-messages.ts";

/** What the main thread does with what a job tells. */
export type ThreadContext = Pick<RunContext, "signal" | "log" | "progress">;

/**
 * Runs a job in its own thread, so that the caller's event loop stays free. When the promise
 * settles the thread has ended, and its native memory and file handles are freed.
 *
 * @param onPartial  told of what is finished before all of it is
 * @throws the job's errors; ExperimentError `CANCELLED` after an abort; MoeError `WORKER_DIED`
 */
export async function runInThread(
  ctx: ThreadContext,
  job: ThreadJob,
  onPartial: (value: unknown) => void = () => {},
): Promise<unknown> {
  const { result } = await runComputeThread<ThreadMessage>({
    entry: new URL("./thread.mjs", import.meta.url),
    data: { job },
    signal: ctx.signal,
    onMessage: (message) => {
      if (message.type === "partial") onPartial(message.value);
      else if (message.type === "log") ctx.log(message.message);
      else ctx.progress(message.done, message.total, message.label);
    },
    advice: "take fewer tokens or a smaller model",
  });
  return result;
}
