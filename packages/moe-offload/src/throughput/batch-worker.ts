import type { WireError } from "../decode/wire-error.ts";
import type { PrefillMessage, PrefillOptions, PrefillResult } from "../prefill/messages.ts";
import type { GroupsJob, GroupsMessage, GroupsResult } from "../shape-run/groups-job.ts";
import { runComputeThread } from "../worker/compute-thread.ts";
import type { ThroughputMessage, ThroughputOptions, ThroughputResult } from "./messages.ts";

/** What a compute thread works on. */
export type BatchTask =
  | { kind: "prefill"; options: PrefillOptions }
  | { kind: "throughput"; options: ThroughputOptions }
  | { kind: "shape-groups"; options: GroupsJob };

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

/** Runs groups over a shape in their own thread; see `runPrefillWorker`. */
export function runGroupsWorker(
  options: GroupsJob,
  signal: AbortSignal,
  onMessage: (message: GroupsMessage) => void,
): Promise<GroupsResult> {
  const task: BatchTask = { kind: "shape-groups", options };
  return runWorker(task, signal, (message) => onMessage(message as GroupsMessage)).then(
    (result) => result as GroupsResult,
  );
}

async function runWorker(
  task: BatchTask,
  signal: AbortSignal,
  onMessage: (message: unknown) => void,
): Promise<unknown> {
  const { result } = await runComputeThread<BatchMessage>({
    entry: new URL("./batch-worker.mjs", import.meta.url),
    data: { task },
    signal,
    onMessage: ({ message }) => onMessage(message),
    advice: "lower memoryMiB",
  });
  return result;
}
