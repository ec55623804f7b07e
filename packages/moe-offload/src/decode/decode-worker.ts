import { runComputeThread } from "../worker/compute-thread.ts";
import type { LossyNumbers, SessionOptions, SessionResult, WorkerMessage } from "./messages.ts";

/** What to generate. */
export interface DecodeJob {
  options: SessionOptions;
  prompts: string[];
  /** Per prompt. */
  maxTokens: number;
  /** Stops the session within one token when aborted. */
  signal: AbortSignal;
  /** Called on the caller's thread for everything but the end. */
  onMessage(message: Exclude<WorkerMessage, { type: "done" | "failed" }>): void;
}

/** What a session gave. */
export interface DecodeOutcome {
  result: SessionResult;
  /** What low precision cost; undefined where every expert was computed in full. */
  lossy: LossyNumbers | undefined;
}

/**
 * Runs a decode session in its own thread, so that the caller's event loop stays free. When the
 * promise settles the thread has ended, and its native memory and file handles are freed.
 *
 * @throws the session's errors; ExperimentError `CANCELLED` after an abort; MoeError `WORKER_DIED`
 */
export async function runDecodeWorker(job: DecodeJob): Promise<DecodeOutcome> {
  const { maxTokens, onMessage, options, prompts, signal } = job;
  const { lossy, result } = await runComputeThread<WorkerMessage>({
    entry: new URL("./worker.mjs", import.meta.url),
    data: { options, prompts, maxTokens },
    signal,
    onMessage,
    advice: "lower budgetMiB",
  });
  return { lossy, result };
}
