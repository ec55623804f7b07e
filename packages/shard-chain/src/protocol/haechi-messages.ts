import type { Address, ShardId } from "../ledger/address.ts";
import type { Transaction, TransactionId } from "../ledger/transaction.ts";
import type { CrossMessage } from "./cross-message.ts";
import type { AccountValue } from "./remote-values.ts";

/** What one shard has to know of a transaction to do its part of it in turn. */
export type PartData = {
  readonly shard: ShardId;
  readonly reads: readonly Address[];
  readonly writes: readonly Address[];
  /** What its steps may take from accounts here, wei; null: whatever there is. */
  readonly takes: readonly (readonly [address: Address, wei: bigint | null])[];
  /** Other shards whose values it needs to know what becomes of its own accounts. */
  readonly needs: readonly ShardId[];
  /** Other shards that it tells the values of its accounts. */
  readonly tells: readonly ShardId[];
};

/** A processed transaction in a CrossLink. */
export type EntryData = {
  /** Its place in the block. */
  readonly index: number;
  readonly txId: TransactionId;
  readonly parts: readonly PartData[];
};

/** A transaction in a CallList: what a shard has to do when its turn comes. */
export type TurnData = Omit<PartData, "shard"> & { readonly txId: TransactionId };

/** What a shard's block has processed. Blocks without transactions send one too. */
export type CrossLinkData = {
  readonly height: number;
  /** Agreed time of the block. */
  readonly timestampMs: number;
  /** False where more entries of the block follow. */
  readonly isLast: boolean;
  readonly entries: readonly EntryData[];
};

/** What comes next on a shard, in the global order. */
export type CallListData = {
  /** False where more of the same order follows. */
  readonly isLast: boolean;
  readonly turns: readonly TurnData[];
};

/** Messages of Haechi. The runtime has them signed by the sending chain's validators. */
export type HaechiMessage = CrossMessage &
  (
    | { readonly kind: "crossLink"; readonly data: CrossLinkData }
    | { readonly kind: "callList"; readonly data: CallListData }
    /** A transaction whose sender's shard has no part in it, to those that have. */
    | { readonly kind: "body"; readonly transaction: Transaction }
    | {
        /** What a transaction finds on the sender; from its home, with the transaction. */
        readonly kind: "values";
        readonly data: { readonly values: readonly AccountValue[] };
      }
  );

/** Entries in a message at most: a message has to fit into small blocks too. */
const ENTRIES_MAX = 64;

/** A list in pieces for one message each; of an empty one, an empty piece. */
export function inPieces<Item>(items: readonly Item[]): (readonly Item[])[] {
  const pieces: (readonly Item[])[] = [items.slice(0, ENTRIES_MAX)];
  for (let at = ENTRIES_MAX; at < items.length; at += ENTRIES_MAX) {
    pieces.push(items.slice(at, at + ENTRIES_MAX));
  }
  return pieces;
}
