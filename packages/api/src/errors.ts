import { DomainError, type ExperimentFailure, type RequiredFile } from "@fmlab/experiment";
import type { TRPC_ERROR_CODE_KEY } from "@trpc/server/rpc";

/** Failures that a caller of this API can cause or must know of. */
export type ApiFailure =
  /** No session, and no valid token. */
  | { code: "UNAUTHENTICATED" }
  /** Signed in, but without the role or with the wrong kind of token. */
  | { code: "ROLE_MISSING"; need: string; have: string | null }
  /** It does not exist, or belongs to an organisation the caller is no member of. */
  | { code: "NOT_FOUND"; resource: string; id: string }
  /** The run or attempt is in a state that does not allow this. */
  | { code: "INVALID_TRANSITION"; state: string; event: string }
  /** Someone saved a newer revision meanwhile. */
  | { code: "REVISION_CONFLICT"; latestRevisionId: string; authorName: string | null }
  | { code: "NAME_TAKEN"; resource: string; name: string }
  /** No registered machine can run this config. */
  | { code: "NO_MACHINE"; reasons: string[] }
  | { code: "MISSING_FILES"; files: RequiredFile[] }
  | { code: "LIMIT_EXCEEDED"; limit: string; allowed: number; got: number }
  | { code: "BAD_REQUEST"; field: string }
  /** Agent and server differ in protocol or definition versions. */
  | { code: "VERSION_MISMATCH"; what: string; server: number; agent: number }
  /** A stored chunk was sent again with another beginning. */
  | { code: "CHUNK_CHANGED" }
  /** The attempt is over or a newer one exists. */
  | { code: "FENCED"; runId: string; attemptNumber: number }
  | { code: "ARTIFACT_HASH_MISMATCH"; expected: string; got: string }
  | { code: "ARTIFACT_TOO_LARGE"; allowed: number }
  | { code: "ARTIFACT_EXISTS"; name: string; sha256: string }
  /** A machine that is online or has live attempts cannot be removed. */
  | { code: "MACHINE_IN_USE"; online: boolean; liveAttempts: number }
  | { code: "LAST_OWNER"; organizationId: string }
  | { code: "UNKNOWN_USER"; email: string }
  | { code: "LAUNCH_KEY_USED"; idempotencyKey: string };

/** The one error class of this package. */
export class ApiError extends DomainError<ApiFailure> {}

type KnownCode = ApiFailure["code"] | ExperimentFailure["code"];

/** The one place where failures become tRPC (and by it HTTP) codes. Undefined: not one of ours. */
export function trpcCodeOf(code: string): TRPC_ERROR_CODE_KEY | undefined {
  const known = code as KnownCode;
  switch (known) {
    case "UNAUTHENTICATED":
      return "UNAUTHORIZED";
    case "ROLE_MISSING":
      return "FORBIDDEN";
    case "NOT_FOUND":
    case "UNKNOWN_USER":
    case "UNKNOWN_EXPERIMENT":
    case "UNKNOWN_PRESET":
      return "NOT_FOUND";
    case "INVALID_TRANSITION":
    case "REVISION_CONFLICT":
    case "NAME_TAKEN":
    case "CHUNK_CHANGED":
    case "FENCED":
    case "ARTIFACT_EXISTS":
    case "LAST_OWNER":
    case "MACHINE_IN_USE":
    case "LAUNCH_KEY_USED":
      return "CONFLICT";
    case "NO_MACHINE":
    case "MISSING_FILES":
    case "MISSING_FILE":
    case "VERSION_MISMATCH":
    case "CANCELLED":
      return "PRECONDITION_FAILED";
    case "LIMIT_EXCEEDED":
    case "ARTIFACT_TOO_LARGE":
      return "PAYLOAD_TOO_LARGE";
    case "BAD_REQUEST":
    case "BAD_CONFIG":
    case "FORBIDDEN_PATH":
    case "ARTIFACT_HASH_MISMATCH":
      return "BAD_REQUEST";
    case "BROKEN_DEFINITION":
      return "INTERNAL_SERVER_ERROR";
    default:
      known satisfies never;
      return undefined;
  }
}

/** @throws ApiError `NOT_FOUND`; the same text for what is missing and what is foreign */
export function notFound(resource: string, id: string): ApiError {
  return new ApiError(
    `there is no ${resource} ${id}, or it belongs to an organisation you are not a member of`,
    { code: "NOT_FOUND", resource, id },
  );
}
