import type { RunEvent } from "../context/run-event.ts";

/** Events that cannot go at once wait at most this long. */
const FLUSH_MS = 50;
/** Chosen: keeps one message well under a megabyte. */
const BATCH_EVENTS_MAX = 1_000;
/** Messages that may go at once, and how many more each second; one costs about 20 µs. */
const CREDITS_MAX = 20;
const CREDITS_PER_MS = 0.5;

/**
 * Gathers events into messages. As long as there are not many, each goes at once, so that what a
 * run has reported outlives a crash of its process in the next instant; in a flood they are
 * gathered, and a crash may cost the last 50 ms. An experiment that never yields to the event loop
 * is served too: every event looks at the clock, and sending on a pipe is attempted at once.
 */
export class EventSender {
  readonly #send: (events: RunEvent[]) => void;
  readonly #nowMs: () => number;
  #waiting: RunEvent[] = [];
  #lastFlushMs = Number.NEGATIVE_INFINITY;
  #credits = CREDITS_MAX;
  #creditedMs: number;
  #timer: NodeJS.Timeout | undefined;

  constructor(send: (events: RunEvent[]) => void, nowMs: () => number) {
    this.#send = send;
    this.#nowMs = nowMs;
    this.#creditedMs = nowMs();
  }

  add(event: RunEvent): void {
    this.#gather(event);
    const nowMs = this.#nowMs();
    const earned = (nowMs - this.#creditedMs) * CREDITS_PER_MS;
    this.#credits = Math.min(CREDITS_MAX, this.#credits + earned);
    this.#creditedMs = nowMs;
    const isDue = nowMs - this.#lastFlushMs >= FLUSH_MS;
    if (isDue || this.#credits >= 1 || this.#waiting.length >= BATCH_EVENTS_MAX) this.flush();
    else this.#timer ??= setTimeout(() => this.flush(), FLUSH_MS);
  }

  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#waiting.length === 0) return;
    this.#lastFlushMs = this.#nowMs();
    this.#credits = Math.max(0, this.#credits - 1);
    const events = this.#waiting;
    this.#waiting = [];
    this.#send(events);
  }

  /**
   * Of progress and of one picture only the newest matters; points next to each other are joined.
   */
  #gather(event: RunEvent): void {
    const last = this.#waiting.at(-1);
    if (
      event.type === "metrics" &&
      last?.type === "metrics" &&
      last.points.length < BATCH_EVENTS_MAX
    ) {
      last.points.push(...event.points);
      return;
    }
    if (event.type === "progress" || event.type === "series") {
      const same = this.#waiting.findIndex((other) => isReplaced(other, event));
      if (same >= 0) this.#waiting.splice(same, 1);
    }
    this.#waiting.push(event);
  }
}

function isReplaced(old: RunEvent, event: RunEvent): boolean {
  if (old.type === "series" && event.type === "series") return old.name === event.name;
  return old.type === "progress" && event.type === "progress";
}
