import { Worker } from "node:worker_threads";
import { fromWire, type WireError } from "../decode/wire-error.ts";
import { MoeError } from "../errors.ts";
import type { PrefillMessage, PrefillOptions, PrefillResult } from "../prefill/messages.ts";
import type { ThroughputMessage, ThroughputOptions, ThroughputResult } from "./messages.ts";

/** What a compute thread works on. */
export type BatchTask =
  | { kind: "prefill"; options: PrefillOptions }
  | { kind: "throughput"; options: ThroughputOptions };

/** What the worker is started with. */
export interface BatchInput {
  task: BatchTask;
  /** One shared entry; nonzero asks the session to stop. */
  cancelFlag: Int32Array;
}

/** From the compute thread to the main thread. */
export type BatchMessage =
  | { type: "told"; message: unknown }
  | { type: "done"; result: unknown }
  | { type: "failed"; error: WireError };

/**
 * Runs a prefill session in its own thread.
 *
 * @param onMessage  called on the caller's thread
 * @throws the session's errors; ExperimentError `CANCELLED` after an abort; MoeError `WORKER_DIED`
 */
export function runPrefillWorker(
  options: PrefillOptions,
  signal: AbortSignal,
  onMessage: (message: PrefillMessage) => void,
): Promise<PrefillResult> {
  const task: BatchTask = { kind: "prefill", options };
  return runWorker(task, signal, (message) => onMessage(message as PrefillMessage)).then(
    (result) => result as PrefillResult,
  );
}

/** Runs a throughput session in its own thread; see `runPrefillWorker`. */
export function runThroughputWorker(
  options: ThroughputOptions,
  signal: AbortSignal,
  onMessage: (message: ThroughputMessage) => void,
): Promise<ThroughputResult> {
  const task: BatchTask = { kind: "throughput", options };
  return runWorker(task, signal, (message) => onMessage(message as ThroughputMessage)).then(
    (result) => result as ThroughputResult,
  );
}

/**
 * When the promise settles the thread has ended, and its native memory and file handles are freed.
 */
function runWorker(
  task: BatchTask,
  signal: AbortSignal,
  onMessage: (message: unknown) => void,
): Promise<unknown> {
  const cancelFlag = new Int32Array(new SharedArrayBuffer(4));
  const cancel = () => {
    Atomics.store(cancelFlag, 0, 1);
    Atomics.notify(cancelFlag, 0);
  };
  if (signal.aborted) cancel();
  const workerData: BatchInput = { task, cancelFlag };
  // The caller's flags (a loader, a debugger) are not for this thread; it registers its own loader.
  const worker = new Worker(new URL("./batch-worker.mjs", import.meta.url), {
    workerData,
    execArgv: [],
  });
  signal.addEventListener("abort", cancel);
  return new Promise((resolve, reject) => {
    let done: { result: unknown } | undefined;
    let failure: unknown;
    const fail = (error: unknown) => {
      failure ??= error;
      cancel();
    };
    worker.on("message", (message: BatchMessage) => {
      if (message.type === "done") done = message;
      else if (message.type === "failed") fail(fromWire(message.error));
      else if (failure === undefined) {
        try {
          onMessage(message.message);
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
      else if (done !== undefined) resolve(done.result);
      else reject(died(exitCode));
    });
  });
}

function died(exitCode: number): MoeError {
  return new MoeError(
    `the compute thread ended with code ${exitCode} and without a result. ` +
      "Look for an out-of-memory message in the log; lower memoryMiB if there is one.",
    { code: "WORKER_DIED", exitCode },
  );
}
