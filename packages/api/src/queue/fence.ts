import type { RunState, Tx } from "@fmlab/db";
import { notFound } from "../errors.ts";
import type { AttemptOrder, Fence } from "../protocol.ts";
import { isAttemptLive } from "../run-state.ts";
import { type LockedAttempt, type LockedRun, lockAttempt, lockRun } from "./apply-event.ts";

/** @throws ApiError `NOT_FOUND` for a run of another organisation */
export function assertOwnRun(
  run: LockedRun | undefined,
  runId: string,
  organizationId: string,
): asserts run is LockedRun {
  if (run?.organizationId !== organizationId) throw notFound("run", runId);
}

/** What the server wants of the run's live attempt. */
export const orderFor = (state: RunState): AttemptOrder =>
  state === "CANCELLING" ? "cancel" : "continue";

/**
 * Locks the run and attempt that a fence names.
 *
 * @returns undefined when the attempt is fenced off: it is over, or a newer one exists
 * @throws ApiError `NOT_FOUND` for a run of another organisation
 */
export async function lockLive(
  tx: Tx,
  organizationId: string,
  fence: Fence,
): Promise<{ run: LockedRun; attempt: LockedAttempt } | undefined> {
  const run = await lockRun(tx, fence.runId);
  assertOwnRun(run, fence.runId, organizationId);
  if (run.attemptCount !== fence.attemptNumber) return undefined;
  const attempt = await lockAttempt(tx, run.id, fence.attemptNumber);
  return attempt && isAttemptLive(attempt.state) ? { run, attempt } : undefined;
}
