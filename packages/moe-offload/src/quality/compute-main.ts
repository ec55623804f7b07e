import { parentPort, workerData } from "node:worker_threads";
import { assert, ExperimentError } from "@fmlab/experiment";
import { runAccuracyJob } from "../accuracy/accuracy-job.ts";
import { toWire } from "../decode/wire-error.ts";
import { runShapePrefillJob } from "../shape-run/prefill-session.ts";
import { runShapeJob } from "../shape-run/shape-job.ts";
import type { ComputeHost, ComputeInput, ComputeJob, ComputeMessage } from "./compute-messages.ts";
import { runQualityJob } from "./quality-job.ts";

function resultOf(job: ComputeJob, host: ComputeHost): unknown {
  if (job.kind === "quality") return runQualityJob(job, host);
  if (job.kind === "shape-prefill") return runShapePrefillJob(job, host);
  return job.kind === "shape" ? runShapeJob(job, host) : runAccuracyJob(job, host);
}

/** Runs one job to its end and sends all there is to tell; never throws. */
function work({ job, cancelFlag }: ComputeInput, send: (message: ComputeMessage) => void): void {
  const host: ComputeHost = {
    throwIfCancelled() {
      if (Atomics.load(cancelFlag, 0) === 0) return;
      throw new ExperimentError("the run was cancelled", { code: "CANCELLED" });
    },
    progress: (done, total, label) => send({ type: "progress", done, total, label }),
    log: (message) => send({ type: "log", message }),
    partial: (step, points) => send({ type: "partial", step, points }),
  };
  try {
    send({ type: "done", result: resultOf(job, host) });
  } catch (error) {
    send({ type: "failed", error: toWire(error) });
  }
}

assert(parentPort !== null, "this file is a worker's entry");
const port = parentPort;
work(workerData as ComputeInput, (message) => port.postMessage(message));
