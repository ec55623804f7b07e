import type { RunState } from "@fmlab/db";
import type { RunChange, RunNotice } from "./notify.ts";

/** At most five events a run and second reach a browser. */
export const EVENT_GAP_MS = 200;

/** What a browser is told: which parts of a run to read again. */
export interface RunEvent {
  runId: string;
  projectId: string;
  what: RunChange[];
  state?: RunState;
}

interface Waiting {
  projectId: string;
  what: Set<RunChange>;
  state: RunState | undefined;
  atMs: number;
}

/** Merges the notices of a run that come in quick succession. One for each subscriber. */
export class Coalescer {
  readonly #waiting = new Map<string, Waiting>();
  readonly #lastSentMs = new Map<string, number>();

  add(notice: Omit<RunNotice, "kind" | "organizationId">): void {
    const known = this.#waiting.get(notice.runId);
    this.#waiting.set(notice.runId, {
      projectId: notice.projectId,
      what: new Set([...(known?.what ?? []), ...notice.what]),
      state: notice.state ?? known?.state,
      atMs: Math.max(notice.atMs, known?.atMs ?? 0),
    });
  }

  /**
   * Takes what may be sent now.
   *
   * @param nowMs a monotonic clock
   * @returns the events, and in how many ms to ask again (undefined: nothing waits)
   */
  take(nowMs: number): { due: { event: RunEvent; atMs: number }[]; againInMs: number | undefined } {
    const due: { event: RunEvent; atMs: number }[] = [];
    let againInMs: number | undefined;
    for (const [runId, { projectId, what, state, atMs }] of this.#waiting) {
      const left = (this.#lastSentMs.get(runId) ?? Number.NEGATIVE_INFINITY) + EVENT_GAP_MS - nowMs;
      if (left > 0) {
        againInMs = Math.min(againInMs ?? left, left);
        continue;
      }
      this.#waiting.delete(runId);
      this.#lastSentMs.set(runId, nowMs);
      due.push({ atMs, event: { runId, projectId, what: [...what], ...(state && { state }) } });
    }
    for (const [runId, sentMs] of this.#lastSentMs) {
      if (nowMs - sentMs > EVENT_GAP_MS) this.#lastSentMs.delete(runId);
    }
    return { due, againInMs };
  }
}
