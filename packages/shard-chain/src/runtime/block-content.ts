import { hash } from "node:crypto";
import type { Transaction } from "../ledger/transaction.ts";
import type { Block, Payload } from "../node/block.ts";
import type { Note } from "../protocol/note.ts";
import type { CertifiedBatch } from "./batch.ts";

/** What a block of a shard or committee holds. Never changed once made. */
export interface BlockContent {
  /** The newest block that the proposer had executed, and the state root after it. */
  readonly executedHeight: number;
  /** In hex. */
  readonly stateRoot: string;
  /** Messages of other chains, each chain's batches by rising sequence. */
  readonly inbox: readonly CertifiedBatch[];
  readonly notes: readonly Note[];
  readonly transactions: readonly Transaction[];
}

/** Room in a block. */
export interface BlockLimits {
  /** Messages, notes and transactions together. */
  readonly itemsMax: number;
  readonly bytesMax: number;
}

const HEADER_BYTES = 48;

/** Completes the content of a block. */
export function makePayload(content: BlockContent): Payload {
  const { executedHeight, stateRoot, inbox, notes, transactions } = content;
  const hasher = [
    `content|${executedHeight}|${stateRoot}`,
    ...inbox.map(({ batch }) => batch.digest),
    ...notes.map(({ id }) => `n${id}`),
    ...transactions.map(({ id }) => id),
  ];
  return {
    digest: hash("sha256", hasher.join("|")),
    sizeBytes: HEADER_BYTES + bytesOf(content),
    content,
  };
}

/** The content of a block of this package's chains. */
export function contentOf(block: Block): BlockContent {
  return block.payload.content as BlockContent;
}

/** How many items a content has; see `BlockLimits`. */
export function itemsOf({ inbox, notes, transactions }: BlockContent): number {
  const messages = inbox.reduce((sum, { batch }) => sum + batch.messages.length, 0);
  return messages + notes.length + transactions.length;
}

/** Bytes of all items. */
export function bytesOf({ inbox, notes, transactions }: BlockContent): number {
  let bytes = 0;
  for (const { sizeBytes } of inbox) bytes += sizeBytes;
  for (const { sizeBytes } of notes) bytes += sizeBytes;
  for (const { sizeBytes } of transactions) bytes += sizeBytes;
  return bytes;
}
