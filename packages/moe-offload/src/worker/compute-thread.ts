import { Worker } from "node:worker_threads";
import { fromWire, type WireError } from "../decode/wire-error.ts";
import { MoeError } from "../errors.ts";

/** What every compute thread ends with; anything else it sends is progress. */
export type EndMessage = { type: "done" } | { type: "failed"; error: WireError };

/** A job for a thread of its own. */
export interface ThreadRun<Message extends { type: string }> {
  /** The thread's entry, a `.mjs` that registers a loader. */
  readonly entry: URL;
  /** What the thread is started with; `cancelFlag` is added. */
  readonly data: object;
  /** Ends the job's waiting at once when aborted. */
  readonly signal: AbortSignal;
  /** Called on the caller's thread for everything but the end. */
  onMessage(message: Exclude<Message, EndMessage>): void;
  /** What to do when the thread dies for lack of memory. */
  readonly advice: string;
}

/**
 * Runs a job in its own thread, so that the caller's event loop stays free. When the promise
 * settles the thread has ended, and its native memory and file handles are freed.
 *
 * @returns the job's `done` message
 * @throws the job's errors; ExperimentError `CANCELLED` after an abort; MoeError `WORKER_DIED`
 */
export function runComputeThread<Message extends { type: string }>(
  run: ThreadRun<Message>,
): Promise<Extract<Message, { type: "done" }>> {
  type Done = Extract<Message, { type: "done" }>;
  const { data, entry, signal } = run;
  const cancelFlag = new Int32Array(new SharedArrayBuffer(4));
  const cancel = () => {
    Atomics.store(cancelFlag, 0, 1);
    Atomics.notify(cancelFlag, 0);
  };
  if (signal.aborted) cancel();
  // The caller's flags (a loader, a debugger) are not for this thread; it registers its own loader.
  const worker = new Worker(entry, { workerData: { ...data, cancelFlag }, execArgv: [] });
  signal.addEventListener("abort", cancel);
  return new Promise<Done>((resolve, reject) => {
    let done: Done | undefined;
    let failure: unknown;
    const fail = (error: unknown) => {
      failure ??= error;
      cancel();
    };
    worker.on("message", (message: Message | EndMessage) => {
      if (message.type === "done") done = message as Done;
      else if (message.type === "failed") fail(fromWire((message as { error: WireError }).error));
      else if (failure === undefined) {
        try {
          run.onMessage(message as Exclude<Message, EndMessage>);
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
      else if (done !== undefined) resolve(done);
      else reject(died(exitCode, run.advice));
    });
  });
}

function died(exitCode: number, advice: string): MoeError {
  return new MoeError(
    `the compute thread ended with code ${exitCode} and without a result. ` +
      `Look for an out-of-memory message in the log; if there is one, ${advice}.`,
    { code: "WORKER_DIED", exitCode },
  );
}
