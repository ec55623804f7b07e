import { DomainError } from "@fmlab/experiment";

/** Failures of this package that a config, a message or a file can cause. */
export type ShardChainFailure =
  /** A committee is empty, or the power of a validator is not a positive safe integer. */
  | { code: "BAD_COMMITTEE"; problem: string }
  /** A setting lies outside its range. */
  | { code: "BAD_SETTING"; setting: string; value: unknown; expected: string }
  /** A name is not in the list of what exists. */
  | { code: "UNKNOWN_NAME"; what: string; name: string; known: readonly string[] }
  /** A message, a key or a proof cannot be read; nothing of it was used. */
  | { code: "BAD_BYTES"; what: string; problem: string }
  /** A node was asked to sign two statements that no correct node signs both. */
  | { code: "DOUBLE_SIGN"; statement: string; before: string }
  /** Two certificates of the same committee commit different blocks at one height. */
  | { code: "FORK"; height: number; blockIds: readonly string[] };

/** Any failure of this package. */
export class ShardChainError extends DomainError<ShardChainFailure> {}
