import { parentPort, workerData } from "node:worker_threads";
import { assert } from "@fmlab/experiment";
import { toWire } from "../decode/wire-error.ts";
import { PrefillSession } from "../prefill/prefill-session.ts";
import type { BatchInput, BatchMessage } from "./batch-worker.ts";
import { ThroughputSession } from "./throughput-session.ts";

/** Runs one session to its end and sends all there is to tell; never throws. */
function work({ cancelFlag, task }: BatchInput, send: (message: BatchMessage) => void): void {
  let session: { run(): unknown; close(): void } | undefined;
  const tell = (message: unknown) => send({ type: "told", message });
  try {
    session =
      task.kind === "prefill"
        ? new PrefillSession(task.options, cancelFlag, tell)
        : new ThroughputSession(task.options, cancelFlag, tell);
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
