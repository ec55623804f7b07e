import type { AttemptState, Db, RunState } from "@fmlab/db";
import type { Failure } from "@fmlab/experiment";
import type { z } from "zod";
import type { finishInput } from "../protocol.ts";
import { type AttemptEvent, isAttemptLive, type RunEvent } from "../run-state.ts";
import { storeResults } from "../runs/store-results.ts";
import { applyAttemptEvent, applyRunEvent, lockAttempt, lockRun } from "./apply-event.ts";
import { assertOwnRun } from "./fence.ts";

type Finish = z.output<typeof finishInput>;

const EVENT_OF = {
  SUCCEEDED: "succeed",
  FAILED: "fail",
  CANCELLED: "endCancelled",
  TIMED_OUT: "timeOut",
} as const satisfies Record<Finish["state"], AttemptEvent & RunEvent>;

/**
 * Ends an attempt and its run. A repeated call of the attempt that ended it is accepted again and
 * changes nothing; a call from any other attempt is refused.
 */
export async function finishAttempt(
  db: Db,
  organizationId: string,
  finish: Finish,
): Promise<{ accepted: boolean; state: RunState }> {
  return db.$transaction(async (tx) => {
    const run = await lockRun(tx, finish.runId);
    assertOwnRun(run, finish.runId, organizationId);
    const attempt = await lockAttempt(tx, run.id, finish.attemptNumber);
    const isLatest = attempt?.number === run.attemptCount;
    if (attempt === undefined || !isLatest || !isAttemptLive(attempt.state)) {
      const isRepeat = isLatest && attempt?.state === (finish.state satisfies AttemptState);
      return { accepted: isRepeat, state: run.state };
    }
    const { failure, reproduction, summary, fidelity } = finish;
    await applyAttemptEvent(tx, attempt, EVENT_OF[finish.state], { failure, reproduction });
    const event = runEvent(finish, run);
    const state = await applyRunEvent(tx, run, event, { failure, summary, fidelity });
    await storeResults(tx, run.id, summary);
    return { accepted: true, state };
  });
}

/** A failure of the host, not of the experiment, is tried again while attempts remain. */
function runEvent(finish: Finish, run: { attemptCount: number; maxAttempts: number }): RunEvent {
  if (finish.state !== "FAILED" || !isRetryable(finish.failure)) return EVENT_OF[finish.state];
  return run.attemptCount < run.maxAttempts ? "loseAndRetry" : "loseForGood";
}

/** Only a lost host: an experiment's error, a bad config or too little memory would come again. */
export function isRetryable(failure: Failure | null): boolean {
  return failure?.code === "HOST_LOST";
}
