import { setTimeout as sleep } from "node:timers/promises";
import { RunnerError } from "../errors.ts";
import type { ServerConnection } from "../server-connection.ts";
import { ProgressView } from "./progress-view.ts";
import { type RunDetail, TERMINAL_STATES } from "./server-client.ts";

/** How often a waiting command looks again. */
const POLL_MS = 1_000;

/** How a run has ended. */
export interface EndedRun {
  id: string;
  seed: number;
  state: string;
  failure: string;
}

/** Waits until every run has ended and shows how far they are; waits for an absent server, too. */
export async function waitForRuns(
  connection: ServerConnection,
  ids: readonly string[],
  isQuiet: boolean,
): Promise<EndedRun[]> {
  const view = await ProgressView.create(isQuiet);
  const seen = new Map<string, RunDetail>();
  const isOver = (id: string) => TERMINAL_STATES.includes(seen.get(id)?.state ?? "");
  try {
    while (!ids.every(isOver)) {
      for (const id of ids.filter((one) => !isOver(one))) {
        const run = await present(() => connection.query<RunDetail>("run.get", { runId: id }));
        if (run === undefined) break;
        seen.set(id, run);
        if (isOver(id) && ids.length > 1) view?.line(`${id} ${run.state}`);
      }
      const { done, total, label } = progressOfRuns([...seen.values()], ids.length);
      view?.show(done, total, label);
      if (!ids.every(isOver)) await sleep(POLL_MS);
    }
  } finally {
    view?.close();
  }
  return ids.flatMap((id) => {
    const run = seen.get(id);
    return run === undefined ? [] : [endOf(run)];
  });
}

function endOf({ id, seed, state, failureMessage, failureCode }: RunDetail): EndedRun {
  return { id, seed, state, failure: failureMessage ?? failureCode ?? "" };
}

/**
 * How far runs are: one by its own measure; of several each counts as one, those that are under way
 * by their share.
 *
 * @param count all runs, also those of which nothing is known yet
 */
export function progressOfRuns(
  runs: readonly Pick<RunDetail, "state" | "progress">[],
  count: number,
): { done: number; total: number; label: string } {
  const [first] = runs;
  if (count === 1) {
    const { done = 0, total = 0, label = "" } = first?.progress ?? {};
    const told = `${first?.state ?? "QUEUED"} ${label}`.trimEnd();
    return { done, total: Math.max(total, 1), label: told };
  }
  const ended = runs.filter((run) => TERMINAL_STATES.includes(run.state)).length;
  const running = runs.filter((run) => run.state === "RUNNING");
  const shares = running.map(({ progress: { done, total } }) =>
    total > 0 ? Math.min(1, done / total) : 0,
  );
  const done = shares.reduce((sum, share) => sum + share, ended);
  const label = `${ended} of ${count} ended, ${running.length} running`;
  return { done: Math.floor(done * 100) / 100, total: count, label };
}

/** Undefined while the server is away. */
export async function present<T>(ask: () => Promise<T>): Promise<T | undefined> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof RunnerError && error.failure.code === "SERVER_AWAY") return undefined;
    throw error;
  }
}
