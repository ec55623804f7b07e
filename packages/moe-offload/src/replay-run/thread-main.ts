import { parentPort, workerData } from "node:worker_threads";
import { assert, ExperimentError } from "@fmlab/experiment";
import { toWire } from "../decode/wire-error.ts";
import { runPlanJob } from "../plan/plan-job.ts";
import { MonotonicClock } from "../tiers/monotonic-clock.ts";
import { runReplayJob } from "./replay-job.ts";
import type { JobHost, ThreadInput, ThreadMessage } from "./thread-messages.ts";

/** Runs one job to its end and sends all there is to tell; never throws. */
function work({ job, cancelFlag }: ThreadInput, send: (message: ThreadMessage) => void): void {
  const clock = new MonotonicClock();
  const host: JobHost = {
    cancelFlag,
    nowMs: () => clock.nowMs(),
    throwIfCancelled() {
      if (Atomics.load(cancelFlag, 0) === 0) return;
      throw new ExperimentError("the run was cancelled", { code: "CANCELLED" });
    },
    progress: (done, total, label) => send({ type: "progress", done, total, label }),
    log: (message) => send({ type: "log", message }),
    partial: (value) => send({ type: "partial", value }),
  };
  try {
    const result = job.kind === "plan" ? runPlanJob(job, host) : runReplayJob(job, host);
    send({ type: "done", result });
  } catch (error) {
    send({ type: "failed", error: toWire(error) });
  }
}

assert(parentPort !== null, "this file is a worker's entry");
const port = parentPort;
work(workerData as ThreadInput, (message) => port.postMessage(message));
