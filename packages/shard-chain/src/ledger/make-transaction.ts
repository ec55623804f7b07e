import { ByteWriter } from "../bytes/byte-writer.ts";
import type { Address } from "./address.ts";
import { digestToHex, sha256 } from "./hash.ts";
import type { Step, Transaction, TransactionContent } from "./transaction.ts";
import { readTransactionCore, writeTransactionCore } from "./transaction-codec.ts";

const scratch = new ByteWriter(1024);

/** Completes a transaction with its id and size. */
export function makeTransaction(content: TransactionContent): Transaction {
  const bytes = writeTransactionCore(scratch.reset(), content).written;
  return {
    ...content,
    id: digestToHex(sha256(bytes)),
    sizeBytes: bytes.length + content.paddingBytes,
  };
}

/** A plain transfer of `amount` wei. */
export function transfer(
  { sender, nonce, fee }: { sender: Address; nonce: number; fee: bigint },
  to: Address,
  amount: bigint,
): Transaction {
  const steps: Step[] = [
    { op: "debit", address: sender, amount },
    { op: "credit", address: to, amount },
  ];
  return makeTransaction({ kind: "transfer", sender, nonce, fee, steps, paddingBytes: 0 });
}

/** A transaction as bytes, for sockets and storage. The padding is not written, only its length. */
export function encodeTransaction(transaction: Transaction): Uint8Array {
  return writeTransactionCore(new ByteWriter(256), transaction).copy();
}

/**
 * Reads a transaction; its id is computed anew.
 *
 * @throws ShardChainError `BAD_BYTES`
 */
export function decodeTransaction(bytes: Uint8Array): Transaction {
  return makeTransaction(readTransactionCore(bytes));
}
