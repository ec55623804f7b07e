import { hash } from "node:crypto";
import type { Transaction } from "../ledger/transaction.ts";
import type { NodeId } from "../node/host.ts";
import { type Data, textOf } from "./data.ts";

/** One node's signature under a note's digest. */
export interface NoteSignature {
  readonly node: NodeId;
  readonly signature: Uint8Array;
}

/**
 * What nodes, outside any consensus, hand to a chain to be put into a block: a coalition's result,
 * a report. Trusted no further than its signatures go: `Protocol.isValidNote` decides.
 */
export interface Note {
  /** Hash of all but the signatures, 64 hex digits; what the signatures are for. */
  readonly id: string;
  readonly kind: string;
  /** Transactions that go along. */
  readonly transactions: readonly Transaction[];
  readonly data: Data;
  readonly signatures: readonly NoteSignature[];
  readonly sizeBytes: number;
}

/** A note without its signatures. */
export type NoteContent = Pick<Note, "kind" | "transactions" | "data">;

/** Bytes of a signature and its signer's number. */
const SIGNATURE_BYTES = 68;

/** The id of a note with this content. */
export function noteId({ kind, transactions, data }: NoteContent): string {
  const ids = transactions.map(({ id }) => id).join(",");
  return hash("sha256", `note|${kind}|${ids}|${textOf(data)}`);
}

/** Completes a note. */
export function makeNote(content: NoteContent, signatures: readonly NoteSignature[]): Note {
  const bodies = content.transactions.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  return {
    ...content,
    id: noteId(content),
    signatures,
    sizeBytes: 40 + bodies + textOf(content.data).length + SIGNATURE_BYTES * signatures.length,
  };
}
