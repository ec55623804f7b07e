import { type Address, addressOf } from "../ledger/address.ts";
import { makeTransaction } from "../ledger/make-transaction.ts";
import type { Step, TransactionContent } from "../ledger/transaction.ts";
import { fundingOf } from "./funding.ts";
import type { RecordedTransaction } from "./recorded-transaction.ts";
import { NonceCounter, type Workload } from "./workload.ts";

/** How recorded transactions become ours. */
export interface RecordedOptions {
  /** Where the records come from, for the workload's name. */
  readonly source: string;
  /** Fee of a transaction whose record names none, wei. */
  readonly defaultFeeWei?: bigint;
}

/** What every result on recorded data has to say. */
const REMARKS = [
  "contract calls run a stand-in that touches the same two accounts, not the contract's code",
  "nonces count anew from 0 for every sender",
  "every sender begins with just what it spends, so no transfer fails for lack of money",
] as const;

/**
 * Recorded transactions as a workload, in the order of their records. Transfers move their value; a
 * call moves its value and then mixes the words of both accounts, so that the order of calls of one
 * contract shows in the state; a creation does so with an address made from sender and nonce.
 */
export function recordedWorkload(
  records: readonly RecordedTransaction[],
  { source, defaultFeeWei = 0n }: RecordedOptions,
): Workload {
  function* contents(): Generator<TransactionContent> {
    const nonces = new NonceCounter();
    for (const record of records) {
      yield contentOf(record, nonces.take(record.from), record.feeWei ?? defaultFeeWei);
    }
  }
  return {
    name: `recorded:${source}`,
    remarks: REMARKS,
    genesis: () => fundingOf(contents()),
    *transactions() {
      for (const content of contents()) yield makeTransaction(content);
    },
  };
}

function contentOf(
  { from, to, valueWei, inputBytes, isCall }: RecordedTransaction,
  nonce: number,
  fee: bigint,
): TransactionContent {
  const target: Address = to ?? addressOf(`contract made by ${from} at nonce ${nonce}`);
  const steps: Step[] = [];
  if (valueWei > 0n || !isCall) {
    steps.push({ op: "debit", address: from, amount: valueWei });
    steps.push({ op: "credit", address: target, amount: valueWei });
  }
  if (isCall) steps.push({ op: "mix", address: from }, { op: "mix", address: target });
  return {
    kind: isCall ? "standIn" : "transfer",
    sender: from,
    nonce,
    fee,
    steps,
    paddingBytes: inputBytes,
  };
}
