import { ShardChainError } from "../errors.ts";
import type { ShardId } from "../ledger/address.ts";
import type { TransactionId } from "../ledger/transaction.ts";
import { Interner } from "../measurement/interner.ts";
import { float64Column, int32Column } from "../measurement/number-column.ts";
import type { ProcessedPlace } from "./processing-order.ts";

// What a run leaves for the oracles. A protocol records each thing once, when it takes effect on
// the state of a shard (not once a validator): the order of the calls is the order of effects.

/** How a transaction, or its part on a shard, ended. */
export type Outcome = "commit" | "abort";

/** What happened to a versioned key. */
export const ACCESS = { read: 0, write: 1, undo: 2 } as const;

/** The observed version is the one in force when the read was recorded. */
export const CURRENT = -2;
/** The observed version is the one of genesis, before all writes. */
export const GENESIS = -1;

/** Numbers for outcomes in columns. */
export const OUTCOME = { none: 0, commit: 1, abort: 2 } as const;

/** A part of a transaction that ended on a shard. */
export interface SettledPart {
  readonly transaction: number;
  readonly part: number;
  readonly shard: ShardId;
  readonly outcome: Outcome;
}

/** Where a transaction was processed, and the virtual time of that block's first commit. */
export interface ProcessedAt extends ProcessedPlace {
  readonly committedAtMs: number;
}

/** The record of one run. Grows by about 350 bytes a transaction and 16 an access. */
export class RunHistory {
  /** Transactions by number, in the order of their first record. */
  readonly transactions = new Interner();
  /** Keys by number. */
  readonly keys = new Interner();
  /** One entry an access, by time: transaction, key, kind (`ACCESS`), version observed. */
  readonly accesses = {
    transaction: int32Column(),
    key: int32Column(),
    kind: int32Column(),
    observed: int32Column(),
  };
  /** By transaction: parts it has (0: never declared) and how it ended (`OUTCOME`). */
  readonly partCounts: number[] = [];
  readonly outcomes: number[] = [];
  /** One entry a part that ended; read it by `settledPart`. */
  readonly #settled = {
    transaction: int32Column(),
    part: int32Column(),
    shard: int32Column(),
    outcome: int32Column(),
  };
  /** By transaction: sum of its balance changes so far, burned fees included, wei. */
  readonly balances: bigint[] = [];
  /** Transactions whose balance changes once summed to more than nothing. */
  readonly minted = new Map<number, bigint>();
  /** Fees burned in the whole run, wei. */
  burned = 0n;
  /** One entry a transaction that was processed; read it by `processedAt`. */
  readonly #processed = {
    timestampMs: float64Column(),
    shard: int32Column(),
    height: int32Column(),
    index: int32Column(),
    committedAtMs: float64Column(),
  };
  /** By transaction: its entry in `#processed`, or -1. */
  readonly #processedEntry = int32Column();

  /** A protocol takes a transaction up that will take effect in `partCount` parts. */
  begin(txId: TransactionId, partCount: number): void {
    const transaction = this.#numberOf(txId);
    const declared = this.partCounts[transaction] as number;
    if (declared !== 0 && declared !== partCount) {
      throw new ShardChainError(
        `transaction ${txId} was declared with ${declared} parts before and ${partCount} now`,
        { code: "BAD_HISTORY", problem: `two part counts of transaction ${txId}` },
      );
    }
    this.partCounts[transaction] = partCount;
  }

  /**
   * A block took the transaction in for the first time.
   *
   * @param committedAtMs virtual time when a quorum first committed that block
   */
  process(txId: TransactionId, place: ProcessedPlace, committedAtMs: number): void {
    const transaction = this.#numberOf(txId);
    if (this.#processedEntry.at(transaction) >= 0) return;
    const { timestampMs, shard, height, index, committedAtMs: columnOfTimes } = this.#processed;
    this.#processedEntry.set(transaction, timestampMs.length);
    timestampMs.push(place.timestampMs);
    shard.push(place.shard);
    height.push(place.height);
    index.push(place.index);
    columnOfTimes.push(committedAtMs);
  }

  /** Where and truly when a transaction was processed; undefined when it was not. */
  processedAt(transaction: number): ProcessedAt | undefined {
    const entry = this.#processedEntry.at(transaction);
    if (entry < 0) return undefined;
    const { timestampMs, shard, height, index, committedAtMs } = this.#processed;
    return {
      timestampMs: timestampMs.at(entry),
      shard: shard.at(entry),
      height: height.at(entry),
      index: index.at(entry),
      committedAtMs: committedAtMs.at(entry),
    };
  }

  /**
   * A transaction read a key.
   *
   * @param key what has versions: an account, or one shard's share of a segmented account
   * @param observed the transaction whose write was seen, where that is not the newest one (a read
   *        of an older snapshot); `genesis` for the first state
   */
  read(txId: TransactionId, key: string, observed?: TransactionId | "genesis"): void {
    const version =
      observed === undefined
        ? CURRENT
        : observed === "genesis"
          ? GENESIS
          : this.#numberOf(observed);
    this.#access(txId, key, ACCESS.read, version);
  }

  /**
   * A transaction made a new version of a key from the newest one, as every change of an account
   * does: it counts as having read that one too.
   */
  write(txId: TransactionId, key: string): void {
    this.#access(txId, key, ACCESS.write, CURRENT);
  }

  /** What the transaction last wrote to the key was taken back, because it aborts. */
  undo(txId: TransactionId, key: string): void {
    this.#access(txId, key, ACCESS.undo, CURRENT);
  }

  /**
   * Balances on a shard changed by `delta` wei in sum, fees not counted.
   *
   * @param isDecided it is certain that the transaction commits: payees may have theirs first
   */
  move(txId: TransactionId, delta: bigint, isDecided = false): void {
    const transaction = this.#numberOf(txId);
    const sum = (this.balances[transaction] as bigint) + delta;
    this.balances[transaction] = sum;
    if (sum > 0n && !isDecided && !this.minted.has(transaction)) this.minted.set(transaction, sum);
  }

  /** A fee was taken from the sender and belongs to nobody any more. */
  burn(fee: bigint): void {
    this.burned += fee;
  }

  /** A part of the transaction ended on a shard, for good. Parts are numbered from 0. */
  settle(txId: TransactionId, part: number, shard: ShardId, outcome: Outcome): void {
    this.#settled.transaction.push(this.#numberOf(txId));
    this.#settled.part.push(part);
    this.#settled.shard.push(shard);
    this.#settled.outcome.push(OUTCOME[outcome]);
  }

  /** How many parts have ended. */
  get settledCount(): number {
    return this.#settled.part.length;
  }

  /** A part that ended, by the order of the record. */
  settledPart(entry: number): SettledPart {
    const { transaction, part, shard, outcome } = this.#settled;
    return {
      transaction: transaction.at(entry),
      part: part.at(entry),
      shard: shard.at(entry),
      outcome: outcome.at(entry) === OUTCOME.commit ? "commit" : "abort",
    };
  }

  /** The protocol says that the transaction has ended everywhere. */
  finish(txId: TransactionId, outcome: Outcome): void {
    const transaction = this.#numberOf(txId);
    const before = this.outcomes[transaction];
    if (before !== OUTCOME.none) {
      throw new ShardChainError(`transaction ${txId} ended twice`, {
        code: "BAD_HISTORY",
        problem: `transaction ${txId} ended twice`,
      });
    }
    this.outcomes[transaction] = OUTCOME[outcome];
  }

  #access(txId: TransactionId, key: string, kind: number, observed: number): void {
    this.accesses.transaction.push(this.#numberOf(txId));
    this.accesses.key.push(this.keys.numberOf(key));
    this.accesses.kind.push(kind);
    this.accesses.observed.push(observed);
  }

  #numberOf(txId: TransactionId): number {
    const number = this.transactions.numberOf(txId);
    if (number === this.outcomes.length) {
      this.partCounts.push(0);
      this.outcomes.push(OUTCOME.none);
      this.balances.push(0n);
      this.#processedEntry.push(-1);
    }
    return number;
  }
}
