/** A schedule that broke something. */
export interface Broken {
  readonly seed: number;
  /** What was broken: `agreement`, `liveness`, `conservation`, ... */
  readonly kind: string;
  readonly what: string;
  /** The schedule as data; `replay` takes it. */
  readonly scenario: unknown;
}

/** A validator convicted by what it has signed. */
export interface Convicted {
  readonly seed: number;
  /** Its chain. */
  readonly where: string;
  readonly validator: number;
  readonly power: number;
  readonly evidence: readonly string[];
}

/** A disturbance, for a picture. */
export interface FaultBar {
  /** Chain and validators, or `network`. */
  readonly lane: string;
  readonly startMs: number;
  readonly endMs: number;
  readonly label: string;
}

/** What a search led to. */
export interface SearchFindings {
  readonly schedules: number;
  readonly events: number;
  readonly broken: readonly Broken[];
  readonly forks: number;
  /** Forks for which at least a third of the power was convicted. */
  readonly attributed: number;
  readonly convicted: readonly Convicted[];
  readonly innocentNamed: number;
  /** The first counterexample, as small as it gets. */
  readonly smallest: { readonly scenario: unknown; readonly bars: readonly FaultBar[] } | undefined;
}

/** Told after each schedule; may stop the search by throwing. */
export type SearchWatch = (done: number) => Promise<void>;
