import type { RunEvent } from "../context/run-event.ts";

/** Events wait at most this long before they are sent on. */
const FLUSH_MS = 50;
/** Chosen: keeps one message well under a megabyte. */
const BATCH_EVENTS_MAX = 1_000;

/**
 * Gathers events into messages. An experiment that never yields to the event loop is served too: every
 * event looks at the clock, and sending on a pipe is attempted at once.
 */
export class EventSender {
  readonly #send: (events: RunEvent[]) => void;
  readonly #nowMs: () => number;
  #waiting: RunEvent[] = [];
  #lastFlushMs = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;

  constructor(send: (events: RunEvent[]) => void, nowMs: () => number) {
    this.#send = send;
    this.#nowMs = nowMs;
  }

  add(event: RunEvent): void {
    this.#gather(event);
    const isDue = this.#nowMs() - this.#lastFlushMs >= FLUSH_MS;
    if (isDue || this.#waiting.length >= BATCH_EVENTS_MAX) this.flush();
    else this.#timer ??= setTimeout(() => this.flush(), FLUSH_MS);
  }

  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#lastFlushMs = this.#nowMs();
    if (this.#waiting.length === 0) return;
    const events = this.#waiting;
    this.#waiting = [];
    this.#send(events);
  }

  /** Of progress and of one picture only the newest matters; points next to each other are joined. */
  #gather(event: RunEvent): void {
    const last = this.#waiting.at(-1);
    if (event.type === "metrics" && last?.type === "metrics") {
      last.points.push(...event.points);
      return;
    }
    if (event.type === "progress" || event.type === "series") {
      const same = this.#waiting.findIndex(
        (other) =>
          other.type === event.type &&
          (event.type === "progress" || (other.type === "series" && other.name === event.name)),
      );
      if (same >= 0) this.#waiting.splice(same, 1);
    }
    this.#waiting.push(event);
  }
}
