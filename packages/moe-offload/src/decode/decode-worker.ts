import { Worker } from "node:worker_threads";
import { MoeError } from "../errors.ts";
import type { LossyNumbers, SessionOptions, SessionResult, WorkerMessage } from "./messages.ts";
import { fromWire } from "./wire-error.ts";

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
export function runDecodeWorker(job: DecodeJob): Promise<DecodeOutcome> {
  const cancelFlag = new Int32Array(new SharedArrayBuffer(4));
  const cancel = () => {
    Atomics.store(cancelFlag, 0, 1);
    Atomics.notify(cancelFlag, 0);
  };
  if (job.signal.aborted) cancel();
  const worker = new Worker(new URL("./worker.mjs", import.meta.url), {
    workerData: {
      options: job.options,
      prompts: job.prompts,
      maxTokens: job.maxTokens,
      cancelFlag,
    },
    // The caller's flags (a loader, a debugger) are not for this thread; it registers its own
    // loader.
    execArgv: [],
  });
  job.signal.addEventListener("abort", cancel);
  return new Promise<DecodeOutcome>((resolve, reject) => {
    let outcome: DecodeOutcome | undefined;
    let failure: unknown;
    const fail = (error: unknown) => {
      failure ??= error;
      cancel();
    };
    worker.on("message", (message: WorkerMessage) => {
      if (message.type === "done") outcome = message;
      else if (message.type === "failed") fail(fromWire(message.error));
      else if (failure === undefined) {
        try {
          job.onMessage(message);
        } catch (error) {
          // A broken listener must not leave the thread running.
          fail(error);
        }
      }
    });
    worker.on("messageerror", fail);
    worker.on("error", fail);
    worker.on("exit", (exitCode) => {
      job.signal.removeEventListener("abort", cancel);
      if (failure !== undefined) reject(failure);
      else if (outcome !== undefined) resolve(outcome);
      else reject(died(exitCode));
    });
  });
}

function died(exitCode: number): MoeError {
  return new MoeError(
    `the compute thread ended with code ${exitCode} and without a result. ` +
      "Look for an out-of-memory message in the log; lower budgetMiB if there is one.",
    { code: "WORKER_DIED", exitCode },
  );
}
