/** Time as the compute thread sees it: reads it, and waits in it without an event loop. */
export interface WaitClock {
  /** Milliseconds since the clock's own zero; never falls. */
  nowMs(): number;
  /**
   * Returns at `untilMs` or just after, at once when that has passed.
   *
   * @throws ExperimentError `CANCELLED` when the work was cancelled meanwhile
   */
  waitUntil(untilMs: number): void;
  /** @throws ExperimentError `CANCELLED` when the work was cancelled */
  throwIfCancelled(): void;
}
