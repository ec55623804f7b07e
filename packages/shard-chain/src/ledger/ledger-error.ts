import { DomainError } from "@fmlab/experiment";

/** Failures of ledger, storage and workloads that a file, a machine or a setting can cause. */
export type LedgerFailure =
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
  /** An oracle was given records that no run of this package can have made. */
  | { code: "BAD_HISTORY"; problem: string };

/** Any failure of ledger, storage, workloads and oracles. */
export class LedgerError extends DomainError<LedgerFailure> {}
