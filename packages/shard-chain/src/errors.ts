import { DomainError } from "@fmlab/experiment";

/** Failures of this package that a config, a message, a file or a machine can cause. */
export type ShardChainFailure =
  /** A committee is empty, or the power of a validator is not a positive safe integer. */
  | { code: "BAD_COMMITTEE"; problem: string }
  /** A setting lies outside its range. */
  | { code: "BAD_SETTING"; setting: string; value: unknown; expected: string }
  /** A name is not in the list of what exists. */
  | { code: "UNKNOWN_NAME"; what: string; name: string; known: readonly string[] }
  /** A message, a key or a proof cannot be read; nothing of it was used. */
  | { code: "BAD_BYTES"; what: string; problem: string }
  /** A line of a data set does not hold what its columns promise. */
  | { code: "BAD_DATASET"; path: string; line: number; problem: string }
  /** A file cannot be opened or read. */
  | { code: "UNREADABLE"; path: string; reason: string }
  /** A block log is damaged before its end, so that its blocks cannot be trusted. */
  | { code: "CORRUPT_LOG"; path: string; offset: number; problem: string }
  /** A block log cannot be written; nothing after `offset` counts as stored. */
  | { code: "LOG_NOT_WRITTEN"; path: string; offset: number; reason: string }
  /** Two different entries of a workload, a history or a state have the same name. */
  | { code: "CONFLICT"; what: string; name: string }
  /** The thread that runs contracts ended or did not answer. */
  | { code: "CONTRACT_RUNNER_FAILED"; reason: string }
  /** The process of a cluster's validator ended or broke. */
  | { code: "VALIDATOR_FAILED"; node: number; reason: string }
  /** An oracle was given records that no run of this package can have made. */
  | { code: "BAD_HISTORY"; problem: string }
  /** A run broke properties that its protocol must keep; each with the first thing found. */
  | { code: "ORACLE_FAILED"; oracles: readonly { oracle: string; what: string }[] };

/** Any failure of this package. */
export class ShardChainError extends DomainError<ShardChainFailure> {}
