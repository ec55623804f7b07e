import type { Transaction, TransactionId } from "../ledger/transaction.ts";
import { type Data, textOf } from "./data.ts";

/**
 * A message from one chain to another, sent by executing a block. It travels in a batch with the
 * signatures of more than a third of the sending committee's power, is put into a block there and
 * handed to the protocol once, in the order it was sent. Never changed once made.
 */
export interface CrossMessage {
  /** The protocol's name for it. */
  readonly kind: string;
  /** The transaction it is about, for measurement; leave out where `transaction` says so. */
  readonly txId?: TransactionId;
  /** The transaction itself, where the receiver has not seen it. */
  readonly transaction?: Transaction;
  /** The transactions it is about where they are several: for measurement only, never sent. */
  readonly about?: readonly TransactionId[];
  readonly data?: Data;
}

/** What a message is hashed by. */
export function messageText({ kind, txId, transaction, data }: CrossMessage): string {
  const about = transaction?.id ?? txId ?? "";
  return `${kind}|${transaction === undefined ? "" : "+"}${about}|${textOf(data ?? null)}`;
}

/** Bytes of the envelope of a message in a batch: lengths, kind and flags. */
const ENVELOPE_BYTES = 8;
/** A transaction id on the wire. */
const ID_BYTES = 32;

/** Length of a message on a socket; its data as text. */
export function messageBytes({ txId, transaction, data }: CrossMessage): number {
  const about = transaction?.sizeBytes ?? (txId === undefined ? 0 : ID_BYTES);
  return ENVELOPE_BYTES + about + (data === undefined ? 0 : textOf(data).length);
}
