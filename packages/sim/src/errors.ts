import { DomainError } from "@fmlab/experiment";

/** A failure this package expects. `code` says which; the other fields are its evidence. */
export type SimFailure =
  /** A seed is not an integer in the range its type can hold exactly. */
  | { code: "BAD_SEED"; seed: number | bigint }
  /** A bound, a probability or a parameter of a distribution is outside its domain. */
  | { code: "BAD_RANGE"; name: string; value: number }
  /** Something was to be picked out of nothing. */
  | { code: "EMPTY_CHOICE" }
  /** Work of a kind that the cost table does not price. Measure it, or give it a cost. */
  | { code: "UNKNOWN_OPERATION"; operation: string; known: string[] }
  /** An event was scheduled, or the clock was set, before the present or at no time at all. */
  | { code: "BAD_TIME"; atMs: number; nowMs: number }
  /**
   * More events ran than the caller allowed: most likely events that schedule each other for ever.
   */
  | { code: "EVENT_BUDGET_SPENT"; eventsMax: number; nowMs: number };

/** Every error this package throws on purpose. */
export class SimError extends DomainError<SimFailure> {}
