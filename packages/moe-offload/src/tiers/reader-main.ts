import { setImmediate } from "node:timers/promises";
import { parentPort, receiveMessageOnPort, workerData } from "node:worker_threads";
import type { ReaderInput } from "./lane-memory.ts";
import { runReader } from "./reader.ts";

/**
 * Jobs, one lane each, until the thread is dismissed with an empty one. The signal counts them. The
 * thread blocks between jobs and inside them, so its event loop turns only here.
 */
async function serve(signal: Int32Array): Promise<void> {
  await finishFileWork();
  for (let done = 0; parentPort !== null; done++) {
    while (Atomics.load(signal, 0) === done) Atomics.wait(signal, 0, done);
    const job: unknown = receiveMessageOnPort(parentPort)?.message;
    if (typeof job !== "object" || job === null) break;
    runReader(job as ReaderInput);
  }
}

/** Turns of the event loop after which its work counts as endless; chosen. */
const TURNS_MAX = 20_000;

/**
 * The loader reads some of its parts, and writes what it has compiled to its cache, in the
 * background. Blocked half-way, that would leave files open and empty, and the next thread would
 * compile everything again.
 */
async function finishFileWork(): Promise<void> {
  const isRequest = (resource: string) => /Req|Connect/.test(resource);
  // A request may follow upon another after a turn.
  for (let turns = 0, quiet = 0; quiet < 3 && turns < TURNS_MAX; turns++) {
    quiet = process.getActiveResourcesInfo().some(isRequest) ? 0 : quiet + 1;
    await setImmediate();
  }
}

serve((workerData as { signal: Int32Array }).signal);
