import type { Address } from "../ledger/address.ts";
import type { FailureReason } from "../ledger/receipt.ts";
import type { TransactionId } from "../ledger/transaction.ts";
import type { Outcome } from "../oracles/history.ts";

/** How a transaction ends, and how many of its parts will have settled when it has. */
export type Decision =
  | { readonly outcome: "commit"; readonly parts: number }
  | {
      readonly outcome: "abort";
      /** Locks and stale reads count as aborts, all else as the transaction's own failure. */
      readonly reason: FailureReason;
      /** Parts that settle: those that had begun. A part that never began settles nothing. */
      readonly parts: number;
    };

/** Waiting that a protocol itself imposes. */
export type Wait = "lockWait" | "orderingWait";

/**
 * Where a protocol tells what it does, for oracles and measurement. Each thing once, when it takes
 * effect on the state of a chain; the runtime sees to it that of all validators that execute a
 * block only one is listened to. Nothing that is told here may steer the protocol.
 */
export interface Recorder {
  /** The protocol takes a transaction up that takes effect in so many parts, numbered from 0. */
  begin(txId: TransactionId, partCount: number): void;
  /**
   * The transaction read an account (here, on this chain).
   *
   * @param observed the transaction whose write was seen, where that is not the newest one
   */
  read(txId: TransactionId, address: Address, observed?: TransactionId | "genesis"): void;
  /** It made a new version of an account from the newest one. */
  write(txId: TransactionId, address: Address): void;
  /** What it last wrote there was taken back, because it aborts. */
  undo(txId: TransactionId, address: Address): void;
  /** Balances here changed by `delta` wei in sum, fees not counted. */
  move(txId: TransactionId, delta: bigint): void;
  /** A part ended here, for good. */
  settle(txId: TransactionId, part: number, outcome: Outcome): void;
  /**
   * It is certain how the transaction ends. It has ended everywhere, and counts, once so many parts
   * have settled: at once with `parts: 0`. Where several chains decide by themselves, each tells:
   * the first counts, and one that differs is a violation of atomicity.
   */
  decide(txId: TransactionId, decision: Decision): void;
  /** From now on, here, the transaction waits for a lock or for an order... */
  waits(txId: TransactionId, wait: Wait): void;
  /** ...and no longer. */
  goesOn(txId: TransactionId): void;
  /** The protocol tries the transaction once more after an abort. */
  retry(txId: TransactionId): void;
}
