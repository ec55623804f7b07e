import { ByteWriter } from "../bytes/byte-writer.ts";
import type { Digest } from "./hash.ts";
import { listRoot } from "./merkle-list.ts";
import type { TransactionId } from "./transaction.ts";

/** Why a transaction had no effect but, where it was admitted, its nonce and fee. */
export const FAILURE_REASONS = [
  /** The nonce is one the shard has seen, or one before which others are missing. */
  "badNonce",
  /** The sender cannot pay the fee. */
  "feeNotCovered",
  /** A debit or a check found too little money. */
  "insufficientBalance",
  /** A credit found too little money in the purse. */
  "emptyPurse",
  /** Money was left in the purse after the last step. */
  "purseNotEmpty",
  /** A balance would exceed 2^128 - 1. */
  "balanceOverflow",
  /** A contract was called where there is none. */
  "noContract",
  /** The contract undid its work. */
  "contractReverted",
  /** The contract used more gas than a call may. */
  "outOfGas",
  /** A lock that the transaction needs is held by another. */
  "lockConflict",
  /** The lock was not granted in time. */
  "lockTimeout",
  /** What the transaction was executed on had changed when its turn came. */
  "staleRead",
  /** Another shard refused its part. */
  "refusedElsewhere",
  /** The protocol has no way to run a transaction of this shape. */
  "unsupported",
  /** Mempools had no room for it, or the fee was too low. */
  "noRoom",
  /** One before it, of the same sender, can never be admitted. */
  "nonceGap",
] as const;

/** Why a transaction failed or was aborted. */
export type FailureReason = (typeof FAILURE_REASONS)[number];

/** Reasons that come from the protocol's concurrency control, not from the transaction itself. */
export const ABORT_REASONS: ReadonlySet<FailureReason> = new Set([
  "lockConflict",
  "lockTimeout",
  "staleRead",
]);

const STATUSES = ["done", "failed", "refused"] as const;

/** What became of a transaction on a shard. */
export interface Receipt {
  readonly txId: TransactionId;
  /**
   * `refused`: not admitted, nothing changed. `failed`: admitted, nonce and fee are spent, no other
   * effect. `done`: all steps took effect.
   */
  readonly status: "done" | "failed" | "refused";
  /** Undefined when done. */
  readonly reason: FailureReason | undefined;
}

/** A receipt's canonical bytes: an item of the list that `receiptsRoot` is the root of. */
export function encodeReceipt({ txId, status, reason }: Receipt): Uint8Array {
  const reasonNumber = reason === undefined ? 0 : 1 + FAILURE_REASONS.indexOf(reason);
  return new ByteWriter(72).latin1(txId).byte(STATUSES.indexOf(status)).byte(reasonNumber).copy();
}

/** Root over a block's receipts, in their order; see `proveItem` to show one of them. */
export function receiptsRoot(receipts: readonly Receipt[]): Digest {
  return listRoot(receipts.map(encodeReceipt));
}
