import { type Clock, VirtualClock } from "./clock.ts";
import { SimError } from "./errors.ts";
import { EventQueue, type QueuedEvent } from "./event-queue.ts";

/** A scheduled action; keep it to cancel it. */
export type ScheduledAction = QueuedEvent<() => void>;

/** How far a simulation may run. */
export interface RunLimit {
  /** Stop with an error after so many events; a guard against events that schedule each other. */
  eventsMax?: number;
}

/**
 * A discrete-event simulation: actions at virtual times. Nothing waits; time jumps to the next
 * action.
 *
 * Deterministic: actions run by time, and in the order they were scheduled at equal times. An
 * action may schedule and cancel others, also at the present time (they run after those already
 * waiting for it).
 */
export class Simulation implements Clock {
  readonly #clock = new VirtualClock();
  readonly #queue = new EventQueue<() => void>();
  #eventsRun = 0;

  /** How many actions have run since the start. */
  get eventsRun(): number {
    return this.#eventsRun;
  }

  /** Virtual milliseconds since the start. */
  nowMs(): number {
    return this.#clock.nowMs();
  }

  /** How many actions wait. */
  get pendingCount(): number {
    return this.#queue.size;
  }

  /** When the next action is due; undefined when none waits. */
  get nextAtMs(): number | undefined {
    return this.#queue.peek()?.atMs;
  }

  /** @throws SimError `BAD_TIME` when `atMs` lies in the past or is not finite */
  scheduleAt(atMs: number, action: () => void): ScheduledAction {
    const nowMs = this.nowMs();
    if (!(atMs >= nowMs && Number.isFinite(atMs))) {
      throw new SimError(
        `cannot schedule an event at ${atMs} ms: it is ${nowMs} ms now, and the time must be finite`,
        { code: "BAD_TIME", atMs, nowMs },
      );
    }
    return this.#queue.push(atMs, action);
  }

  /** @throws SimError `BAD_TIME` when `delayMs` is negative or not finite */
  scheduleAfter(delayMs: number, action: () => void): ScheduledAction {
    return this.scheduleAt(this.nowMs() + delayMs, action);
  }

  /** Takes a waiting action back. False when it has run or was cancelled before. */
  cancel(action: ScheduledAction): boolean {
    return this.#queue.cancel(action);
  }

  /** Runs the next action, if any. */
  runNext(): boolean {
    const next = this.#queue.pop();
    if (next === undefined) return false;
    this.#clock.advanceTo(next.atMs);
    this.#eventsRun++;
    next.value();
    return true;
  }

  /**
   * Runs so many actions, or fewer when no more wait.
   *
   * @returns how many actions ran
   */
  runEvents(count: number): number {
    for (let ran = 0; ran < count; ran++) {
      if (!this.runNext()) return ran;
    }
    return count;
  }

  /**
   * Runs every action due at or before `untilMs`, then sets the clock to it.
   *
   * @returns how many actions ran
   * @throws SimError `BAD_TIME`, `EVENT_BUDGET_SPENT`
   */
  runUntil(untilMs: number, limit: RunLimit = {}): number {
    if (!(untilMs >= this.nowMs() && Number.isFinite(untilMs))) this.#clock.advanceTo(untilMs);
    const count = this.#runWhile((atMs) => atMs <= untilMs, limit);
    this.#clock.advanceTo(untilMs);
    return count;
  }

  /**
   * Runs until nothing waits; the clock then stands at the last action.
   *
   * @returns how many actions ran
   * @throws SimError `EVENT_BUDGET_SPENT`
   */
  runAll(limit: RunLimit = {}): number {
    return this.#runWhile(() => true, limit);
  }

  #runWhile(isDue: (atMs: number) => boolean, limit: RunLimit): number {
    const eventsMax = limit.eventsMax ?? Number.POSITIVE_INFINITY;
    let count = 0;
    for (;;) {
      const atMs = this.nextAtMs;
      if (atMs === undefined || !isDue(atMs)) return count;
      if (count >= eventsMax) {
        throw new SimError(
          `${eventsMax} events ran and more are due at ${atMs} ms; raise eventsMax, or look for ` +
            "events that schedule each other without end",
          { code: "EVENT_BUDGET_SPENT", eventsMax, nowMs: this.nowMs() },
        );
      }
      this.runNext();
      count++;
    }
  }
}
