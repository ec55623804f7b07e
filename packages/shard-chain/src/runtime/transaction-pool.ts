import type { Address } from "../ledger/address.ts";
import { Mempool, type SelectionLimits } from "../ledger/mempool.ts";
import type { Transaction, TransactionId } from "../ledger/transaction.ts";

/** Where transactions wait for a block. */
export interface TransactionPool {
  readonly size: number;
  has(id: TransactionId): boolean;
  /**
   * @param nextNonce the next nonce of the sender, where this chain knows it
   * @returns the transactions that have to go: the new one, or others for it
   */
  add(transaction: Transaction, nextNonce: number): readonly Transaction[];
  /** The best for a block; they stay. */
  select(limits: SelectionLimits): Transaction[];
  /** It stands in a final block. */
  remove(id: TransactionId): void;
  /** The sender's next nonce has risen. */
  advance(sender: Address, nextNonce: number): void;
}

/** The pool of a shard: by fee, each sender's transactions in the order of their nonces. */
export class ShardPool implements TransactionPool {
  readonly #pool: Mempool;

  constructor(capacity: number) {
    // Senders that pay out to thousands queue that many: no limit of its own for one sender.
    this.#pool = new Mempool({ capacity, perSenderMax: Number.MAX_SAFE_INTEGER });
  }

  get size(): number {
    return this.#pool.size;
  }

  has(id: TransactionId): boolean {
    return this.#pool.has(id);
  }

  add(transaction: Transaction, nextNonce: number): readonly Transaction[] {
    const answer = this.#pool.add(transaction, nextNonce);
    if (answer.ok) return answer.removed;
    return answer.reason === "known" ? [] : [transaction];
  }

  select(limits: SelectionLimits): Transaction[] {
    return this.#pool.select(limits);
  }

  remove(id: TransactionId): void {
    this.#pool.remove(id);
  }

  advance(sender: Address, nextNonce: number): void {
    this.#pool.advance(sender, nextNonce);
  }
}

/** The pool of a committee that owns no accounts: first come, first served. */
export class ArrivalPool implements TransactionPool {
  readonly #waiting = new Map<TransactionId, Transaction>();
  readonly #capacity: number;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  get size(): number {
    return this.#waiting.size;
  }

  has(id: TransactionId): boolean {
    return this.#waiting.has(id);
  }

  add(transaction: Transaction): readonly Transaction[] {
    if (this.#waiting.has(transaction.id)) return [];
    if (this.#waiting.size >= this.#capacity) return [transaction];
    this.#waiting.set(transaction.id, transaction);
    return [];
  }

  select({ countMax, bytesMax, isPending }: SelectionLimits): Transaction[] {
    const chosen: Transaction[] = [];
    let bytesLeft = bytesMax ?? Number.POSITIVE_INFINITY;
    for (const transaction of this.#waiting.values()) {
      if (chosen.length >= countMax || transaction.sizeBytes > bytesLeft) break;
      if (isPending?.(transaction.id) === true) continue;
      bytesLeft -= transaction.sizeBytes;
      chosen.push(transaction);
    }
    return chosen;
  }

  remove(id: TransactionId): void {
    this.#waiting.delete(id);
  }

  advance(): void {
    // Nonces are admitted elsewhere.
  }
}
