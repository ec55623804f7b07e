import type { RunState, Tx } from "@fmlab/db";
import { notFound } from "../errors.ts";
import { isTerminal } from "../run-state.ts";
import { applyRunEvent, lockRun } from "./apply-event.ts";

/**
 * Cancels a run: at once when it waits, else its agent is told to stop it. A run that is over stays
 * as it is.
 *
 * @returns the states before and after
 */
export async function cancelRun(tx: Tx, runId: string): Promise<{ from: RunState; to: RunState }> {
  const run = await lockRun(tx, runId);
  if (run === undefined) throw notFound("run", runId);
  const from = run.state;
  if (isTerminal(from)) return { from, to: from };
  const failure = { code: "CANCELLED", message: "cancelled before a machine took it" } as const;
  return { from, to: await applyRunEvent(tx, run, "cancel", { failure }) };
}
