import { z } from "zod";
import type { FailureReason } from "../ledger/receipt.ts";
import type { Transaction, TransactionId } from "../ledger/transaction.ts";
import type { CarryData } from "./carry-data.ts";
import type { Note } from "./note.ts";

/**
 * A value that a prediction depends on or makes: `w` or `b` and an address (its word, its balance
 * in wei), the value, and for reads whether it was read from the snapshot (else from a prediction).
 */
export type ValueClaim = readonly [key: string, value: bigint, isBase: boolean];

/** What a coalition says of one transaction. */
export interface Claim {
  readonly id: TransactionId;
  /** How often it had been tried before. */
  readonly attempt: number;
  /** What each run of steps hands on to the next; up to the one that fails. */
  readonly carries: readonly CarryData[];
  /** The run of steps (`hopsOf`) that is predicted to fail; -1: none. */
  readonly failsAt: number;
  /** What the carries depend on, and what will have been written. */
  readonly reads: readonly ValueClaim[];
  readonly writes: readonly ValueClaim[];
  readonly [name: string]: Claim[keyof Claim];
}

/**
 * A snapshot that a coalition read: its root in hex, the member that vouches for it, the last round
 * that is executed in it, and the last one after which something was taken back.
 */
export type Snapshot = readonly [
  shard: number,
  height: number,
  root: string,
  member: number,
  round: number,
  undone: number,
];

/** A coalition's result, the content of its note. */
export interface BatchData {
  readonly home: number;
  /** Node that leads, and its number for the batch. */
  readonly leader: number;
  readonly number: number;
  readonly snapshots: readonly Snapshot[];
  readonly claims: readonly Claim[];
  readonly [name: string]: BatchData[keyof BatchData];
}

/** Kind of a coalition's note. */
export const RESULT = "prophet-result";

/** What a shard says it has admitted: id, shards (the sender's first) and accounts. */
export type AdmittedItem = readonly [
  id: TransactionId,
  shards: readonly number[],
  accounts: readonly string[],
];

/** A transaction's place in a round, for one shard. */
export interface RoundItem extends Claim {
  /** Height of this shard's state that the coalition has read. */
  readonly height: number;
}

/** How a failed verification convicts: by the result, by a read of the snapshot, or not at all. */
export type Proof = "" | "result" | "snapshot";

/** A transaction that did not come out as predicted on a shard. */
export type Refusal = readonly [
  id: TransactionId,
  reason: FailureReason,
  /** Whether other shards may have executed it. */
  hasEffects: boolean,
  proof: Proof,
];

/** A transaction that has ended without effect, and why. */
export type Ended = readonly [id: TransactionId, reason: FailureReason];

/** Messages between shards and the sequence. */
export type ProphetMessage =
  | { readonly kind: "announce"; readonly transaction: Transaction }
  | { readonly kind: "admitted"; readonly data: { readonly items: readonly AdmittedItem[] } }
  | { readonly kind: "round"; readonly data: RoundData }
  | { readonly kind: "vote"; readonly data: VoteData }
  | { readonly kind: "outcome"; readonly data: OutcomeData }
  | { readonly kind: "returned"; readonly data: ReturnedData };

/** The part of a round that one shard executes. */
export interface RoundData {
  readonly round: number;
  readonly items: readonly RoundItem[];
  /** Long rounds come in pieces. */
  readonly isLast: boolean;
  readonly [name: string]: RoundData[keyof RoundData];
}

/** What a shard found when it executed a round. */
export interface VoteData {
  readonly round: number;
  readonly refusals: readonly Refusal[];
  readonly [name: string]: VoteData[keyof VoteData];
}

/** What is to be taken back after a round with failures, in it and after it. */
export interface OutcomeData {
  readonly round: number;
  /** To be tried again, with the rounds that they stand in. */
  readonly doomed: readonly (readonly [round: number, id: TransactionId, attempt: number])[];
  readonly ended: readonly Ended[];
  readonly [name: string]: OutcomeData[keyof OutcomeData];
}

/** What was not ordered. */
export interface ReturnedData {
  readonly retried: readonly (readonly [id: TransactionId, attempt: number])[];
  readonly ended: readonly Ended[];
  readonly [name: string]: ReturnedData[keyof ReturnedData];
}

const count = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
const id = z.string().regex(/^[0-9a-f]{64}$/);
const value = z.tuple([z.string().max(64), z.bigint(), z.boolean()]);
const claim = z.strictObject({
  id,
  attempt: count,
  carries: z
    .array(z.strictObject({ purse: z.bigint(), word: z.bigint(), seen: z.bigint() }))
    .max(1_000),
  failsAt: z.number().int().min(-1).max(1_000),
  reads: z.array(value).max(1_000),
  writes: z.array(value).max(1_000),
});
const batch = z.strictObject({
  home: count,
  leader: count,
  number: count,
  snapshots: z.array(z.tuple([count, count, id, count, count, count])).max(1_000),
  claims: z.array(claim).min(1).max(100_000),
});

/** Notes are shared by the validators of a process: each is looked through once. */
const known = new WeakMap<Note, BatchData | null>();

/** A coalition's result as data; undefined for anything else. */
export function parseBatch(data: unknown): BatchData | undefined {
  // The data itself, as ids depend on the order of its names.
  return batch.safeParse(data).success ? (data as BatchData) : undefined;
}

/** The content of a coalition's note; undefined for anything else. */
export function batchOf(note: Note): BatchData | undefined {
  if (note.kind !== RESULT || note.transactions.length > 0) return undefined;
  const before = known.get(note);
  if (before !== undefined) return before ?? undefined;
  const data = parseBatch(note.data);
  known.set(note, data ?? null);
  return data;
}
