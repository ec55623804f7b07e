/**
 * The base of every failure this project expects. `code` says which; the other fields of `failure`
 * are its evidence. A message says what happened, what was expected and what to do.
 *
 * Each package derives one class from it with its own union of failures (`errors.ts`).
 */
export class DomainError<T extends { code: string }> extends Error {
  readonly failure: T;

  constructor(message: string, failure: T, options?: { cause?: unknown }) {
    super(message, options);
    this.name = new.target.name;
    this.failure = failure;
  }

  get code(): T["code"] {
    return this.failure.code;
  }
}

/** True for any DomainError, also one that comes from another copy of this module. */
export function isDomainError(error: unknown): error is DomainError<{ code: string }> {
  return (
    error instanceof Error &&
    "failure" in error &&
    typeof (error as { failure?: { code?: unknown } }).failure?.code === "string"
  );
}

/** Failures of an experiment that its author or its launcher can cause. */
export type ExperimentFailure =
  /** A definition breaks the contract; the process must not start with it. */
  | { code: "BROKEN_DEFINITION"; kind: string; problem: string }
  /** No experiment of that kind is registered. */
  | { code: "UNKNOWN_EXPERIMENT"; kind: string; known: string[] }
  /** The experiment has no preset of that name. */
  | { code: "UNKNOWN_PRESET"; kind: string; preset: string; known: string[] }
  /** The config does not satisfy the schema. */
  | { code: "BAD_CONFIG"; kind: string; problems: ConfigProblem[] }
  /** A file the config needs is missing or not readable. */
  | { code: "MISSING_FILE"; path: string; source?: string; licence?: string }
  /** A path leaves the folders a launched run may read. */
  | { code: "FORBIDDEN_PATH"; path: string }
  /** The run was cancelled through `ctx.signal`. */
  | { code: "CANCELLED" };

/** One field that is wrong: where, and what was expected there. */
export interface ConfigProblem {
  /** Dotted path of the field, e.g. `link.bandwidthMBps`; empty for the whole config. */
  path: string;
  message: string;
}

/** A failure of an experiment that has a known cause; see `ExperimentFailure`. */
export class ExperimentError extends DomainError<ExperimentFailure> {}

/** Throws a programmer error: something this code itself guarantees does not hold. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`assertion failed: ${message}`);
}
