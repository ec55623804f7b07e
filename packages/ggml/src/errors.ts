import { DomainError } from "@fmlab/experiment";

/**
 * A failure of the binding. ggml itself aborts the whole process on a wrong argument, so everything
 * below is found in TypeScript before native code sees it.
 */
export type GgmlFailure =
  /** No ggml shared libraries on this machine, or koffi has no build for this platform. */
  | { code: "LIBRARY_NOT_FOUND"; searched: string[] }
  /** The libraries were found, but their ABI is not the one this binding knows. */
  | { code: "LIBRARY_INCOMPATIBLE"; directory: string; problem: string }
  /** A shape, type, stride or number that ggml would assert on. */
  | { code: "INVALID_ARGUMENT"; operation: string; problem: string }
  /** An object was used after `close()`, or while something it needs is closed. */
  | { code: "CLOSED"; what: string }
  /** An arena holds fewer tensors than were asked of it. */
  | { code: "ARENA_FULL"; tensorCountMax: number }
  /** A graph holds fewer nodes than were asked of it. */
  | { code: "GRAPH_FULL"; nodeCountMax: number }
  /** A graph would recompute another graph's nodes; read them through `arena.alias` instead. */
  | { code: "FOREIGN_NODE"; operation: string; tensor: string }
  /** A tensor has no memory yet. */
  | { code: "NOT_ALLOCATED"; tensor: string }
  /** An index tensor holds a number that is not a row or an expert of its table. */
  | { code: "INDEX_OUT_OF_RANGE"; tensor: string; value: number; limit: number }
  /** The memory of a tensor lives on a device and cannot be viewed from here. */
  | { code: "NOT_HOST_MEMORY"; tensor: string }
  | { code: "ALLOCATION_FAILED"; what: string; sizeBytes: number }
  /** ggml reported a failure while it computed a graph. */
  | { code: "COMPUTE_FAILED"; status: number };

/** Every error this package throws on purpose, except those of its GGUF parser. */
export class GgmlError extends DomainError<GgmlFailure> {}

/** Refuses an argument of `operation`: `problem` says what was wrong and what is expected. */
export function invalidArgument(operation: string, problem: string): GgmlError {
  return new GgmlError(`${operation}: ${problem}`, {
    code: "INVALID_ARGUMENT",
    operation,
    problem,
  });
}

/** Throws `INVALID_ARGUMENT` unless `condition` holds; the text is only built when it does not. */
export function requireArgument(
  condition: boolean,
  operation: string,
  problem: () => string,
): asserts condition {
  if (!condition) throw invalidArgument(operation, problem());
}

/** Throws unless `value` is an integer in `low..high`, both included. */
export function requireInteger(
  operation: string,
  name: string,
  value: number,
  low: number,
  high: number,
): void {
  requireArgument(
    Number.isSafeInteger(value) && value >= low && value <= high,
    operation,
    () => `${name} is ${value}; expected an integer from ${low} to ${high}`,
  );
}

/** Throws unless `value` is a finite number. */
export function requireFinite(operation: string, name: string, value: number): void {
  requireArgument(
    Number.isFinite(value),
    operation,
    () => `${name} is ${value}; expected a finite number`,
  );
}
