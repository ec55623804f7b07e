import { assert } from "@fmlab/experiment";
import { ShardChainError } from "../errors.ts";
import type { Address } from "./address.ts";
import { Heap } from "./heap.ts";
import type { Transaction, TransactionId } from "./transaction.ts";

/** Why a pool did not take a transaction. */
export type PoolRefusal =
  /** The pool has it. */
  | "known"
  /** The nonce is below the account's: it can never be admitted. */
  | "nonceTooLow"
  /** The nonce is further ahead than one sender may queue. */
  | "nonceTooFar"
  /** One of the same nonce waits, and the new fee is not high enough to replace it. */
  | "underpriced"
  /** The pool is full of transactions with fees at least as high. */
  | "full";

/** What came of adding a transaction. */
export type PoolAnswer =
  | { readonly ok: true /** What had to go for it. */; readonly removed: readonly Transaction[] }
  | { readonly ok: false; readonly reason: PoolRefusal };

/** Bounds of a pool. */
export interface MempoolOptions {
  /** Transactions it may hold, >= 1. */
  readonly capacity: number;
  /** Transactions of one sender, >= 1. Ethereum's clients queue 64. */
  readonly perSenderMax?: number;
  /** How much more fee a replacement must offer, percent. Ethereum's clients ask for 10. */
  readonly replacementPercent?: number;
}

/** What a block has room for. */
export interface SelectionLimits {
  readonly countMax: number;
  readonly bytesMax?: number;
  readonly isPending?: (id: TransactionId) => boolean;
}

interface Pooled {
  readonly transaction: Transaction;
  /** Order of arrival: the tie-break between equal fees. */
  readonly arrival: number;
}

/** The waiting transactions of one sender, by nonce. */
interface Line {
  readonly byNonce: Map<number, Pooled>;
  /** The next nonce that the sender's shard will admit. */
  nextNonce: number;
}

/**
 * Transactions that wait for a block: highest fee first, each sender's in the order of its nonces,
 * and of equal fees the older first. Bounded; a function of the calls made, so that it is the same
 * in every run of a seed.
 */
export class Mempool {
  readonly #capacity: number;
  readonly #perSenderMax: number;
  readonly #replacementPercent: bigint;
  readonly #lines = new Map<Address, Line>();
  readonly #byId = new Map<TransactionId, Pooled>();
  /** Every sender's next transaction, best first, among others that have gone or moved. */
  readonly #heads = new Heap<Pooled>(isBetter);
  /** Every sender's last transaction, worst first, among others: what goes from a full pool. */
  readonly #tails = new Heap<Pooled>((one, other) => isBetter(other, one));
  #arrivals = 0;

  /** @throws ShardChainError `BAD_SETTING` */
  constructor({ capacity, perSenderMax = 64, replacementPercent = 10 }: MempoolOptions) {
    this.#capacity = atLeastOne("mempool capacity", capacity);
    this.#perSenderMax = atLeastOne("mempool perSenderMax", perSenderMax);
    this.#replacementPercent = BigInt(replacementPercent);
  }

  /** How many transactions wait. */
  get size(): number {
    return this.#byId.size;
  }

  has(id: TransactionId): boolean {
    return this.#byId.has(id);
  }

  /**
   * Takes a transaction in, or says why not.
   *
   * @param nextNonce the next nonce of the sender in the shard's newest state
   */
  add(transaction: Transaction, nextNonce: number): PoolAnswer {
    if (this.#byId.has(transaction.id)) return refuse("known");
    this.advance(transaction.sender, nextNonce);
    const { sender, nonce, fee } = transaction;
    if (nonce < nextNonce) return refuse("nonceTooLow");
    if (nonce >= nextNonce + this.#perSenderMax) return refuse("nonceTooFar");
    const rival = this.#lines.get(sender)?.byNonce.get(nonce);
    if (rival !== undefined) {
      const asked = rival.transaction.fee * (100n + this.#replacementPercent);
      if (fee * 100n < asked || fee === rival.transaction.fee) return refuse("underpriced");
      this.#drop(rival);
      this.#insert(transaction, nextNonce);
      return { ok: true, removed: [rival.transaction] };
    }
    if (this.#byId.size < this.#capacity) {
      this.#insert(transaction, nextNonce);
      return { ok: true, removed: [] };
    }
    const worst = this.#worstTail();
    if (worst === undefined || fee <= worst.transaction.fee) return refuse("full");
    // Dropping what comes before the new one in its own line would only make a gap.
    if (worst.transaction.sender === sender) return refuse("full");
    this.#drop(worst);
    this.#insert(transaction, nextNonce);
    return { ok: true, removed: [worst.transaction] };
  }

  /**
   * The best transactions for a block. They stay: tell the pool by `advance` what was committed.
   *
   * @param limits how many at most, and how many bytes: the first that does not fit ends it.
   *        `isPending`: what stands in a proposed block already is passed over, but what follows it
   *        in its sender's line is not.
   */
  select(limits: SelectionLimits): Transaction[] {
    const chosen: Transaction[] = [];
    const heads: Pooled[] = [];
    const following = new Heap<Pooled>(isBetter);
    let bytesLeft = limits.bytesMax ?? Number.POSITIVE_INFINITY;
    while (chosen.length < limits.countMax) {
      const head = this.#bestHead();
      const next = following.peek();
      const takesHead = head !== undefined && (next === undefined || isBetter(head, next));
      const best = takesHead ? head : next;
      if (best === undefined) break;
      const { transaction } = best;
      const isPending = limits.isPending?.(transaction.id) === true;
      if (!isPending && transaction.sizeBytes > bytesLeft) break;
      if (takesHead) heads.push(this.#heads.pop() as Pooled);
      else following.pop();
      if (!isPending) {
        bytesLeft -= transaction.sizeBytes;
        chosen.push(transaction);
      }
      const after = this.#lines.get(transaction.sender)?.byNonce.get(transaction.nonce + 1);
      if (after !== undefined) following.push(after);
    }
    for (const head of heads) this.#heads.push(head);
    return chosen;
  }

  /** Tells the pool a sender's next nonce; what lies below can never be admitted and goes. */
  advance(sender: Address, nextNonce: number): void {
    const line = this.#lines.get(sender);
    if (line === undefined || line.nextNonce >= nextNonce) return;
    line.nextNonce = nextNonce;
    for (const [nonce, pooled] of line.byNonce) {
      if (nonce < nextNonce) this.#drop(pooled);
    }
    const head = line.byNonce.get(nextNonce);
    if (head !== undefined) this.#heads.push(head);
  }

  /** Takes a transaction out, whatever the reason. */
  remove(id: TransactionId): void {
    const pooled = this.#byId.get(id);
    if (pooled !== undefined) this.#drop(pooled);
  }

  #insert(transaction: Transaction, nextNonce: number): void {
    const pooled = { transaction, arrival: this.#arrivals++ };
    const line = this.#lines.get(transaction.sender) ?? { byNonce: new Map(), nextNonce };
    this.#lines.set(transaction.sender, line);
    line.byNonce.set(transaction.nonce, pooled);
    this.#byId.set(transaction.id, pooled);
    if (transaction.nonce === line.nextNonce) this.#heads.push(pooled);
    this.#tails.push(pooled);
    this.#dropStale();
  }

  /** Keeps what has gone from filling the memory; cheap, spread over the insertions. */
  #dropStale(): void {
    const sizeMax = 4 * this.#byId.size + 64;
    if (this.#heads.size > sizeMax) this.#heads.retain((pooled) => this.#isHead(pooled));
    if (this.#tails.size > sizeMax) this.#tails.retain((pooled) => this.#isTail(pooled));
  }

  #drop({ transaction }: Pooled): void {
    const { id, sender, nonce } = transaction;
    this.#byId.delete(id);
    const line = this.#lines.get(sender);
    line?.byNonce.delete(nonce);
    if (line === undefined) return;
    if (line.byNonce.size === 0) this.#lines.delete(sender);
    else this.#tails.push(lastOf(line));
  }

  /** The best of the senders' next transactions, which stays; stale entries go. */
  #bestHead(): Pooled | undefined {
    return freshest(this.#heads, (pooled) => this.#isHead(pooled));
  }

  #worstTail(): Pooled | undefined {
    return freshest(this.#tails, (pooled) => this.#isTail(pooled));
  }

  #isHead(pooled: Pooled): boolean {
    const { sender, nonce } = pooled.transaction;
    return this.#isPooled(pooled) && this.#lines.get(sender)?.nextNonce === nonce;
  }

  #isTail(pooled: Pooled): boolean {
    const line = this.#lines.get(pooled.transaction.sender);
    return this.#isPooled(pooled) && line !== undefined && lastOf(line) === pooled;
  }

  #isPooled(pooled: Pooled): boolean {
    return this.#byId.get(pooled.transaction.id) === pooled;
  }
}

function freshest(heap: Heap<Pooled>, isFresh: (pooled: Pooled) => boolean): Pooled | undefined {
  for (;;) {
    const best = heap.peek();
    if (best === undefined || isFresh(best)) return best;
    heap.pop();
  }
}

function lastOf({ byNonce }: Line): Pooled {
  let last: Pooled | undefined;
  for (const pooled of byNonce.values()) {
    if (last === undefined || pooled.transaction.nonce > last.transaction.nonce) last = pooled;
  }
  assert(last !== undefined, "a line without transactions is removed");
  return last;
}

function isBetter(one: Pooled, other: Pooled): boolean {
  const difference = one.transaction.fee - other.transaction.fee;
  return difference === 0n ? one.arrival < other.arrival : difference > 0n;
}

function refuse(reason: PoolRefusal): PoolAnswer {
  return { ok: false, reason };
}

function atLeastOne(setting: string, value: number): number {
  if (Number.isInteger(value) && value >= 1) return value;
  throw new ShardChainError(`${setting} must be a whole number of 1 or more, got ${value}`, {
    code: "BAD_SETTING",
    setting,
    value,
    expected: "a whole number of 1 or more",
  });
}
