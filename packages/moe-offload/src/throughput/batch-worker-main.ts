import { parentPort, workerData } from "node:worker_threads";
import { assert } from "@fmlab/experiment";
import { toWire } from "../decode/wire-error.ts";
import { PrefillSession } from "../prefill/prefill-session.ts";
import { GroupsSession } from "../shape-run/groups-session.ts";
import type { BatchInput, BatchMessage } from "./batch-worker.ts";
import { ThroughputSession } from "./throughput-session.ts";

function open(
  task: BatchInput["task"],
  cancelFlag: Int32Array,
  tell: (message: unknown) => void,
): { run(): unknown; close(): void } {
  switch (task.kind) {
    case "prefill":
      return new PrefillSession(task.options, cancelFlag, tell);
    case "throughput":
      return new ThroughputSession(task.options, cancelFlag, tell);
    case "shape-groups":
      return new GroupsSession(task.options, cancelFlag, tell);
  }
}

/** Runs one session to its end and sends all there is to tell; never throws. */
function work({ cancelFlag, task }: BatchInput, send: (message: BatchMessage) => void): void {
  let session: { run(): unknown; close(): void } | undefined;
  const tell = (message: unknown) => send({ type: "told", message });
  try {
    session = open(task, cancelFlag, tell);
    send({ type: "done", result: session.run() });
  } catch (error) {
    send({ type: "failed", error: toWire(error) });
  } finally {
    session?.close();
  }
}

assert(parentPort !== null, "this file is a worker's entry");
const port = parentPort;
work(workerData as BatchInput, (message) => port.postMessage(message));
