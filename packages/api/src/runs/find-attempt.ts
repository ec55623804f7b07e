import type { Tx } from "@fmlab/db";
import { ApiError } from "../errors.ts";

/**
 * The id of a run's attempt, the latest by default; undefined while there is none.
 *
 * @throws ApiError `NOT_FOUND` for a number that the run has not
 */
export async function findAttempt(
  tx: Tx,
  run: { id: string; attemptCount: number },
  number: number | undefined,
): Promise<{ id: string; number: number } | undefined> {
  const wanted = number ?? run.attemptCount;
  const attempt = await tx.attempt.findUnique({
    where: { runId_number: { runId: run.id, number: wanted } },
    select: { id: true, number: true },
  });
  if (attempt !== null) return attempt;
  if (number === undefined) return undefined;
  throw new ApiError(`the run has ${run.attemptCount} attempts, there is no attempt ${number}`, {
    code: "NOT_FOUND",
    resource: "attempt",
    id: String(number),
  });
}
