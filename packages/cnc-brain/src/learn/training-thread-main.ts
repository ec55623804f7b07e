import { parentPort } from "node:worker_threads";
import { doTrainingJob, type TrainingJob } from "./training-job.ts";

// One job after another; a failure is told with its job and does not end the thread.
parentPort?.on("message", ({ id, job }: { id: number; job: TrainingJob }) => {
  try {
    parentPort?.postMessage({ id, answer: doTrainingJob(job) });
  } catch (error) {
    parentPort?.postMessage({ id, error: error instanceof Error ? error.message : String(error) });
  }
});
