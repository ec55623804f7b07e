import type { Db, Tx } from "@fmlab/db";
import type { Failure } from "@fmlab/experiment";
import { LEASE } from "../protocol.ts";
import { isAttemptLive } from "../run-state.ts";
import { applyAttemptEvent, applyRunEvent, lockAttempt, lockRun } from "./apply-event.ts";

/** How often each server looks for lapsed leases. */
export const REAP_EVERY_MS = 2_000;
/** The runner enforces the time limit; only an attempt this much over it is ended from here. */
export const OVERRUN_SEC = 30;

/**
 * Takes runs back from machines that are gone. Any number of servers may reap at once: each run is
 * locked and looked at again before it is touched.
 *
 * It only acts after it has seen a working database for one lease period, so that an outage of the
 * server or of the database does not end healthy attempts: their agents get to renew first.
 */
export class Reaper {
  #healthySinceMs: number | undefined;
  #lastTickMs: number | undefined;
  readonly #db: Db;
  readonly #nowMs: () => number;

  /** @param nowMs a monotonic clock */
  constructor(db: Db, nowMs: () => number) {
    this.#db = db;
    this.#nowMs = nowMs;
  }

  /**
   * One look. Rejects when the database does not answer; then the waiting starts again.
   *
   * @returns how many attempts were ended
   */
  async tick(): Promise<number> {
    const nowMs = this.#nowMs();
    // A gap means that this process itself stood still (a suspended laptop, a blocked event loop).
    const stoodStill =
      this.#lastTickMs !== undefined && nowMs - this.#lastTickMs > LEASE.lapseMs - LEASE.beatMs;
    if (stoodStill) this.#healthySinceMs = undefined;
    this.#lastTickMs = nowMs;
    try {
      const overdue = await findOverdue(this.#db);
      this.#healthySinceMs ??= nowMs;
      if (nowMs - this.#healthySinceMs < LEASE.lapseMs) return 0;
      let count = 0;
      for (const { runId, number } of overdue) {
        const ended = await this.#db.$transaction((tx) => endIfOverdue(tx, runId, number));
        if (ended) count++;
      }
      return count;
    } catch (error) {
      this.#healthySinceMs = undefined;
      throw error;
    }
  }
}

interface Overdue {
  runId: string;
  number: number;
  lapsed: boolean;
}

function findOverdue(tx: Tx, runId: string | null = null): Promise<Overdue[]> {
  return tx.$queryRaw<Overdue[]>`
    SELECT * FROM (
      SELECT a."runId", a.number, a."leaseExpiresAt" < clock_timestamp() AS lapsed,
        a.state = 'RUNNING' AND a."startedAt" + make_interval(secs => r."timeLimitSec" + ${OVERRUN_SEC})
          < clock_timestamp() AS overran
      FROM attempt a JOIN run r ON r.id = a."runId"
      WHERE a.state IN ('CLAIMED', 'RUNNING')
        AND (${runId}::uuid IS NULL OR a."runId" = ${runId}::uuid)
    ) live WHERE lapsed OR overran LIMIT 500`;
}

async function endIfOverdue(tx: Tx, runId: string, number: number): Promise<boolean> {
  const run = await lockRun(tx, runId);
  const attempt = await lockAttempt(tx, runId, number);
  const [overdue] = await findOverdue(tx, runId);
  if (!run || !attempt || !overdue || !isAttemptLive(attempt.state)) return false;
  if (overdue.number !== number) return false;
  if (overdue.lapsed) {
    const failure: Failure = {
      code: "HOST_LOST",
      message:
        "the machine was not heard of for 15 s: it was switched off, lost its network or its " +
        "agent was killed",
    };
    await applyAttemptEvent(tx, attempt, "lose", { failure });
    const mayRetry = run.attemptCount < run.maxAttempts;
    await applyRunEvent(tx, run, mayRetry ? "loseAndRetry" : "loseForGood", { failure });
    return true;
  }
  const failure: Failure = {
    code: "TIMED_OUT",
    message: `the run went on for more than ${OVERRUN_SEC} s after its time limit`,
  };
  await applyAttemptEvent(tx, attempt, "timeOut", { failure });
  await applyRunEvent(tx, run, "timeOut", { failure });
  return true;
}
