import { type LinkOptions, LinkSchedule } from "./link-schedule.ts";
import type { SharedLock } from "./shared-lock.ts";

/** A link that several threads use, each for one transfer at a time. */
export class LinkGate {
  /** When this thread's transfer begins on the link. */
  startMs = 0;
  /** When the link is done with this thread's transfer, unless moving the bytes takes longer. */
  endMs = 0;
  #place = 0;
  #movingSinceMs = 0;
  readonly #schedule: LinkSchedule;
  readonly #lock: SharedLock;

  constructor(options: LinkOptions, state: Float64Array, lock: SharedLock) {
    this.#schedule = new LinkSchedule(options, state);
    this.#lock = lock;
  }

  /** Time one transfer takes on an idle link, ms. */
  durationMs(bytes: number): number {
    return this.#schedule.durationMs(bytes);
  }

  /**
   * Begins a transfer. A link serves what waits for it without a pause, so the transfer begins when
   * it was asked for or when the link is free, also where this thread comes to it a little later.
   */
  begin(requestMs: number, nowMs: number, bytes: number): void {
    this.#lock.guard(() => {
      this.#place = this.#schedule.begin(requestMs, bytes);
      this.startMs = this.#schedule.startMs;
      this.endMs = this.#schedule.endMs;
    });
    this.#movingSinceMs = nowMs;
  }

  /**
   * The bytes have been moved since `begin`. When that took longer than the link takes, the
   * transfer keeps its place for as long; it ends at `endMs`.
   * @param sinceMs  when moving could begin, where another transfer was in the way until then
   */
  moved(nowMs: number, sinceMs = 0): void {
    const doneMs = this.startMs + nowMs - Math.max(sinceMs, this.#movingSinceMs);
    if (doneMs <= this.endMs) return;
    this.endMs = doneMs;
    this.#lock.guard(() => this.#schedule.occupy(this.#place, doneMs));
  }
}
