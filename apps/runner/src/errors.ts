import { DomainError } from "@fmlab/experiment";

/** Failures of the runner and the command line that their user can cause or must know of. */
export type RunnerFailure =
  /** The command was called wrongly. */
  | { code: "USAGE" }
  /** The out folder holds something; `--force` replaces an earlier run in it. */
  | { code: "OUT_NOT_EMPTY"; path: string }
  /** A folder is not a run folder, or a file in it breaks the format. */
  | { code: "BAD_RUN_FOLDER"; path: string; problem: string }
  /** No answer from the server. */
  | { code: "SERVER_AWAY"; url: string }
  /** The server answered with a refusal; `reason` is its code, e.g. `FORBIDDEN`. */
  | { code: "SERVER_REFUSED"; reason: string }
  /** No server address or no token is known. */
  | { code: "NOT_CONNECTED" };

/** An error of the runner that its user can act on; `code` is one of `RunnerFailure`. */
export class RunnerError extends DomainError<RunnerFailure> {}

/** A usage error: the message says what was expected. */
export function usageError(message: string): RunnerError {
  return new RunnerError(message, { code: "USAGE" });
}

/** Why the server refused, e.g. `FORBIDDEN`; undefined for any other error. */
export function refusalReason(error: unknown): string | undefined {
  if (!(error instanceof RunnerError) || error.failure.code !== "SERVER_REFUSED") return undefined;
  return error.failure.reason;
}
