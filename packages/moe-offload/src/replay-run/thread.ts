import { Worker } from "node:worker_threads";
import type { RunContext } from "@fmlab/experiment";
import { fromWire } from "../decode/wire-error.ts";
import { MoeError } from "../errors.ts";
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
export function runInThread(
  ctx: ThreadContext,
  job: ThreadJob,
  onPartial: (value: unknown) => void = () => {},
): Promise<unknown> {
  const { signal } = ctx;
  const cancelFlag = new Int32Array(new SharedArrayBuffer(4));
  const cancel = () => {
    Atomics.store(cancelFlag, 0, 1);
  };
  if (signal.aborted) cancel();
  const worker = new Worker(new URL("./thread.mjs", import.meta.url), {
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
    worker.on("message", (message: ThreadMessage) => {
      if (message.type === "done") result = { value: message.result };
      else if (message.type === "failed") fail(fromWire(message.error));
      else if (failure === undefined) {
        try {
          if (message.type === "partial") onPartial(message.value);
          else if (message.type === "log") ctx.log(message.message);
          else ctx.progress(message.done, message.total, message.label);
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

function died(exitCode: number): MoeError {
  return new MoeError(
    `the planning thread ended with code ${exitCode} and without a result. ` +
      "Look for an out-of-memory message in the log; take fewer tokens or a smaller model.",
    { code: "WORKER_DIED", exitCode },
  );
}
