import { Worker } from "node:worker_threads";
import type { RunContext } from "@fmlab/experiment";
import { fromWire } from "../decode/wire-error.ts";
import { MoeError } from "../errors.ts";
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
export function runInComputeThread(ctx: ComputeContext, job: ComputeJob): Promise<unknown> {
  const { signal } = ctx;
  const cancelFlag = new Int32Array(new SharedArrayBuffer(4));
  const cancel = () => {
    Atomics.store(cancelFlag, 0, 1);
  };
  if (signal.aborted) cancel();
  const worker = new Worker(new URL("./compute.mjs", import.meta.url), {
    workerData: { job, cancelFlag },
    // The caller's flags (a loader, a debugger) are not for this thread; it registers its own.
    execArgv: [],
  });
  signal.addEventListener("abort", cancel);
  return new Promise((resolve, reject) => {
    let result: { value: unknown } | undefined;
    let failure: unknown;
    const fail = (error: unknown) => {
      failure ??= error;
      cancel();
    };
    worker.on("message", (message: ComputeMessage) => {
      if (message.type === "done") result = { value: message.result };
      else if (message.type === "failed") fail(fromWire(message.error));
      else if (failure === undefined) {
        try {
          tell(ctx, message);
        } catch (error) {
          // A broken listener must not leave the thread running.
          fail(error);
        }
      }
    });
    worker.on("messageerror", fail);
    worker.on("error", fail);
    worker.on("exit", (exitCode) => {
      signal.removeEventListener("abort", cancel);
      if (failure !== undefined) reject(failure);
      else if (result !== undefined) resolve(result.value);
      else reject(died(exitCode));
    });
  });
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

function died(exitCode: number): MoeError {
  return new MoeError(
    `the compute thread ended with code ${exitCode} and without a result. ` +
      "Look for an out-of-memory message in the log; take a smaller model if there is one.",
    { code: "WORKER_DIED", exitCode },
  );
}
