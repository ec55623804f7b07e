import type { Transaction } from "../ledger/transaction.ts";
import { accessSetOf } from "../ledger/transaction.ts";
import type { RecordedTransaction } from "./recorded-transaction.ts";
import type { Touches } from "./statistics.ts";

/** A recorded transaction as the statistics see it. */
export function touchesOfRecord(record: RecordedTransaction): Touches {
  const { block, from, to, isCall, inputBytes } = record;
  const accounts = to === undefined || to === from ? [from] : [from, to];
  return { block, accounts, isCall, inputBytes };
}

/**
 * Transactions as the statistics see them.
 *
 * @param blockTransactions transactions a stretch in which conflicts count; 286 is the mean block
 *        of the measured sample
 */
export function* touchesOf(
  transactions: Iterable<Transaction>,
  blockTransactions = 286,
): Generator<Touches> {
  let index = 0;
  for (const transaction of transactions) {
    const { reads, writes } = accessSetOf(transaction);
    yield {
      block: Math.floor(index++ / blockTransactions),
      accounts: [...writes, ...reads],
      isCall: transaction.kind !== "transfer",
      inputBytes: transaction.paddingBytes,
    };
  }
}
