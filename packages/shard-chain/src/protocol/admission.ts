import type { FailureReason } from "../ledger/receipt.ts";
import { accountIn } from "../ledger/state.ts";
import type { Transaction } from "../ledger/transaction.ts";
import type { ChainContext } from "./chain-context.ts";

/**
 * What has reached its sender's shard before the nonces under it, by sender and nonce. A protocol
 * that sends a sender's transactions over different ways keeps one in its state.
 */
export type ParkingLot<Entry> = Map<string, Entry>;

/** What came of trying to admit. */
export type Admission = "admitted" | "parked" | FailureReason;

/**
 * Admits a transaction if it is its turn, else parks `entry` until it is: call `takeParked` after
 * each admission on the shard, also of transactions from the mempool.
 */
export function admitOrPark<Entry>(
  chain: ChainContext,
  lot: ParkingLot<Entry>,
  transaction: Transaction,
  entry: Entry,
): Admission {
  const { nonce } = accountIn(chain.ledger, transaction.sender);
  if (transaction.nonce > nonce) {
    lot.set(`${transaction.sender}/${transaction.nonce}`, entry);
    return "parked";
  }
  return chain.admit(transaction) ?? "admitted";
}

/** What waited for `transaction`, just admitted, and for nothing else; undefined when nothing. */
export function takeParked<Entry>(
  lot: ParkingLot<Entry>,
  { sender, nonce }: Transaction,
): Entry | undefined {
  if (lot.size === 0) return undefined;
  const key = `${sender}/${nonce + 1}`;
  const entry = lot.get(key);
  lot.delete(key);
  return entry;
}
