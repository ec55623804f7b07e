import { ReadError, type ReadFailure } from "./expert-files.ts";
import { CONTROL, type LaneMemory } from "./lane-memory.ts";

/** Why the reading threads gave up, as it crosses between threads. */
export type LaneFailure =
  | ({ kind: "unreadable" } & ReadFailure)
  | { kind: "broken"; reason: string };

const WRITING = 1;
const WRITTEN = 2;

/** Writes down why a thread gave up; the first of several counts. */
export function writeFailure({ control, failure }: LaneMemory, error: unknown): void {
  if (Atomics.compareExchange(control, CONTROL.failed, 0, WRITING) !== 0) return;
  const known: LaneFailure =
    error instanceof ReadError
      ? { kind: "unreadable", ...error.failure }
      : { kind: "broken", reason: error instanceof Error ? String(error.stack) : String(error) };
  let text = new TextEncoder().encode(JSON.stringify(known));
  // A path or message beyond all measure still has to arrive as valid text.
  if (text.length > failure.length) {
    const reason = "the failure could not be told: its text is too long";
    text = new TextEncoder().encode(JSON.stringify({ kind: "broken", reason }));
  }
  failure.set(text);
  Atomics.store(control, CONTROL.failureBytes, text.length);
  Atomics.store(control, CONTROL.failed, WRITTEN);
  Atomics.notify(control, CONTROL.failed);
}

/** The failure, when there is one; waits the moment that it takes to be written. */
export function readFailure({ control, failure }: LaneMemory): LaneFailure | undefined {
  if (Atomics.load(control, CONTROL.failed) === 0) return undefined;
  while (Atomics.load(control, CONTROL.failed) === WRITING) {
    Atomics.wait(control, CONTROL.failed, WRITING, 1);
  }
  // A copy, since texts are not decoded from shared memory.
  const text = Uint8Array.from(failure.subarray(0, Atomics.load(control, CONTROL.failureBytes)));
  return JSON.parse(new TextDecoder().decode(text)) as LaneFailure;
}
