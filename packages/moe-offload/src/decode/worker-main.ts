import { parentPort, workerData } from "node:worker_threads";
import { assert } from "@fmlab/experiment";
import type { PromptRecord, StepRecord, WorkerInput, WorkerMessage } from "./messages.ts";
import { DecodeSession } from "./session.ts";
import { SessionClock } from "./session-clock.ts";
import { toWire } from "./wire-error.ts";

/**
 * Steps are sent together at least this often: seldom enough to cost nothing, often enough to look
 * live.
 */
const SEND_EVERY_MS = 50;

/** Progress of a calibration is told this often. */
const CALIBRATING_EVERY_TOKENS = 256;
/** Progress of making low-precision copies, in matrices, and of comparing. */
const TWINS_EVERY = 64;
const COMPARING_EVERY_TOKENS = 16;

/** Runs one session to its end and sends all there is to tell; never throws. */
function work(input: WorkerInput, send: (message: WorkerMessage) => void): void {
  const clock = new SessionClock(input.cancelFlag);
  let session: DecodeSession | undefined;
  try {
    session = DecodeSession.open(input.options, clock, {
      onCalibrating: (done, total) => {
        if (done % CALIBRATING_EVERY_TOKENS === 0) send({ type: "calibrating", done, total });
      },
      onTwins: (done, total) => {
        if (done % TWINS_EVERY === 0) send({ type: "twins", done, total });
      },
    });
    send({ type: "opened", facts: session.facts });
    generateAll(session, input, clock, send);
    // What is counted ends here: the comparison loads and computes too.
    const result = session.result();
    const lossy = session.compare((done, total) => {
      if (done % COMPARING_EVERY_TOKENS === 0) send({ type: "comparing", done, total });
    });
    send({ type: "done", result, lossy });
  } catch (error) {
    send({ type: "failed", error: toWire(error) });
  } finally {
    session?.close();
  }
}

function generateAll(
  session: DecodeSession,
  input: WorkerInput,
  clock: SessionClock,
  send: (message: WorkerMessage) => void,
): void {
  let steps: StepRecord[] = [];
  let sentMs = clock.nowMs();
  const flush = () => {
    if (steps.length > 0) send({ type: "steps", steps });
    steps = [];
    sentMs = clock.nowMs();
  };
  const listener = {
    onPrompt: (record: PromptRecord) => {
      flush();
      send({ type: "prompt", record });
    },
    onStep: (step: StepRecord) => {
      steps.push(step);
      if (clock.nowMs() - sentMs >= SEND_EVERY_MS) flush();
    },
  };
  for (const prompt of input.prompts) session.generate(prompt, input.maxTokens, listener);
  flush();
}

assert(parentPort !== null, "this file is a worker's entry");
const port = parentPort;
work(workerData as WorkerInput, (message) => port.postMessage(message));
