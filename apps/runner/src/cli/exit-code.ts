import { isDomainError } from "@fmlab/experiment";
import { refusalReason } from "../errors.ts";

/** What `fmlab` exits with; part of its interface, listed in `fmlab --help` and its README.md. */
export const EXIT = {
  success: 0,
  /** A run failed, a check did not pass, or something unexpected happened. */
  failed: 1,
  /** The command, a config or a file it names is wrong. */
  usage: 2,
  /** The server is away, refuses the token, or is not known. */
  server: 3,
  timedOut: 124,
  cancelled: 130,
} as const;

/** The exit code for a run that ended in `state`. */
export function exitCodeOf(state: string): number {
  switch (state) {
    case "SUCCEEDED":
      return EXIT.success;
    case "CANCELLED":
      return EXIT.cancelled;
    case "TIMED_OUT":
      return EXIT.timedOut;
    default:
      return EXIT.failed;
  }
}

/** The exit code for an error that ended the command. */
export function exitCodeOfError(error: unknown): number {
  if (!isDomainError(error)) return EXIT.failed;
  if (refusalReason(error) === "BAD_REQUEST") return EXIT.usage;
  switch (error.code) {
    case "USAGE":
    case "OUT_NOT_EMPTY":
    case "BAD_RUN_FOLDER":
    case "UNKNOWN_EXPERIMENT":
    case "UNKNOWN_PRESET":
    case "BAD_CONFIG":
    case "MISSING_FILE":
    case "FORBIDDEN_PATH":
    case "BROKEN_DEFINITION":
    case "BAD_CLAIM":
      return EXIT.usage;
    case "SERVER_AWAY":
    case "SERVER_REFUSED":
    case "NOT_CONNECTED":
      return EXIT.server;
    default:
      return EXIT.failed;
  }
}
