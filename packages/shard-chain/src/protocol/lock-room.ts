import type { Address } from "../ledger/address.ts";
import { accessOnShard } from "../ledger/hops.ts";
import {
  type LockDiscipline,
  type LockGrant,
  type LockWish,
  lockOn,
  lockOrWait,
  tryLock,
  unlock,
  wishesFor,
} from "../ledger/locks.ts";
import type { FailureReason } from "../ledger/receipt.ts";
import { accountIn } from "../ledger/state.ts";
import type { Transaction, TransactionId } from "../ledger/transaction.ts";
import { type ParkingLot, takeParked } from "./admission.ts";
import type { ChainContext } from "./chain-context.ts";

/** Where a transaction stands with its locks on a shard. */
interface Claim {
  readonly transaction: Transaction;
  /**
   * `sender`: waits for its sender's account, to be admitted. `rest`: waits for the other locks.
   * `held`: has all of them.
   */
  readonly stage: "sender" | "rest" | "held";
  /** Locks that are not granted yet. */
  readonly missing: number;
}

/** What a lock-based protocol keeps for a shard. */
export interface LockingState {
  readonly claims: Map<TransactionId, Claim>;
  /** Since when transactions wait that may give up, agreed time, the oldest first. */
  readonly waitingSinceMs: Map<TransactionId, number>;
  readonly parked: ParkingLot<Transaction>;
  /** Senders of a transaction whose fee they could not pay: later nonces can never be admitted. */
  readonly gapped: Set<Address>;
  /** Locks that have passed on and whose new holders have not been told. */
  readonly granted: LockGrant[];
  isTelling: boolean;
}

/** First state of a shard. */
export function lockingState(): LockingState {
  return {
    claims: new Map(),
    waitingSinceMs: new Map(),
    parked: new Map(),
    gapped: new Set(),
    granted: [],
    isTelling: false,
  };
}

/** How a protocol locks, and what it does next. */
export interface LockRules<State extends LockingState> {
  readonly discipline: LockDiscipline;
  readonly policy: "wait" | "refuse";
  readonly timeoutMs: number;
  /** The transaction, admitted if this is its sender's shard, has all its locks here. */
  onHeld(chain: ChainContext<State>, transaction: Transaction): void;
  /** It gave up waiting, or was refused a lock; it holds none here any more. */
  onRefused(chain: ChainContext<State>, transaction: Transaction, reason: FailureReason): void;
  /** Its sender's shard did not admit it; it holds nothing. */
  onNotAdmitted(chain: ChainContext<State>, transaction: Transaction, reason: FailureReason): void;
}

/**
 * Two-phase locking on the accounts of one shard. A sender's account is locked before the
 * transaction is admitted there: a fee must not be paid with money that another transaction in
 * flight may take back. That wait has an end, as nothing is held meanwhile.
 */
export class LockRoom<State extends LockingState> {
  readonly #rules: LockRules<State>;

  constructor(rules: LockRules<State>) {
    this.#rules = rules;
  }

  /** On the sender's shard: admits the transaction, then takes its locks here. */
  takeUp(chain: ChainContext<State>, transaction: Transaction): void {
    const { sender, nonce, id } = transaction;
    if (chain.state.gapped.has(sender)) {
      this.#rules.onNotAdmitted(chain, transaction, "nonceGap");
      return;
    }
    if (nonce > accountIn(chain.ledger, sender).nonce) {
      chain.state.parked.set(`${sender}/${nonce}`, transaction);
      return;
    }
    const claim: Claim = { transaction, stage: "sender", missing: 1 };
    if (lockOrWait(chain.ledger, id, { address: sender, mode: "write" })) {
      this.#admit(chain, claim);
      return;
    }
    chain.state.claims.set(id, claim);
    chain.record.waits(id, "lockWait");
  }

  /** On another shard: takes the transaction's locks here. */
  acquire(chain: ChainContext<State>, transaction: Transaction): void {
    this.#lockRest(chain, transaction, this.#wishes(chain, transaction));
  }

  /** Whether nothing stands in the way of running the transaction at once, here alone. */
  isFree(chain: ChainContext<State>, transaction: Transaction): boolean {
    const { nonce } = accountIn(chain.ledger, transaction.sender);
    if (transaction.nonce !== nonce) return false;
    const wishes = this.#wishes(chain, transaction);
    return wishes.every(({ address }) => lockOn(chain.ledger, address) === undefined);
  }

  /** A nonce was admitted without `takeUp`: whoever waited for it goes on. */
  admitted(chain: ChainContext<State>, transaction: Transaction): void {
    const next = takeParked(chain.state.parked, transaction);
    if (next !== undefined) this.takeUp(chain, next);
  }

  /** A transaction was refused: so are those that wait for its nonce, if it will not come. */
  notAdmitted(chain: ChainContext<State>, transaction: Transaction, reason: FailureReason): void {
    this.#rules.onNotAdmitted(chain, transaction, reason);
    if (reason !== "feeNotCovered") return;
    chain.state.gapped.add(transaction.sender);
    let next = takeParked(chain.state.parked, transaction);
    while (next !== undefined) {
      this.#rules.onNotAdmitted(chain, next, "nonceGap");
      next = takeParked(chain.state.parked, next);
    }
  }

  /** Gives back all locks of the transaction here, held or waited for. */
  release(chain: ChainContext<State>, transaction: Transaction): void {
    const { id } = transaction;
    const { claims, waitingSinceMs, granted } = chain.state;
    claims.delete(id);
    waitingSinceMs.delete(id);
    const addresses = this.#wishes(chain, transaction).map(({ address }) => address);
    granted.push(...unlock(chain.ledger, id, addresses));
    this.#tellGranted(chain);
  }

  /** Lets those give up who have waited too long. Call once a block. */
  expire(chain: ChainContext<State>): void {
    const { claims, waitingSinceMs } = chain.state;
    for (const [txId, sinceMs] of waitingSinceMs) {
      if (chain.timestampMs - sinceMs <= this.#rules.timeoutMs) return;
      const claim = claims.get(txId);
      waitingSinceMs.delete(txId);
      if (claim !== undefined) this.#giveUp(chain, claim.transaction, "lockTimeout");
    }
  }

  #admit(chain: ChainContext<State>, { transaction }: Claim): void {
    const refusal = chain.admit(transaction);
    if (refusal !== undefined) {
      this.release(chain, transaction);
      this.notAdmitted(chain, transaction, refusal);
      return;
    }
    const wishes = this.#wishes(chain, transaction);
    const rest = wishes.filter(({ address }) => address !== transaction.sender);
    this.#lockRest(chain, transaction, rest);
    this.admitted(chain, transaction);
  }

  #lockRest(
    chain: ChainContext<State>,
    transaction: Transaction,
    wishes: readonly LockWish[],
  ): void {
    const { id } = transaction;
    const { ledger, state, record, timestampMs } = chain;
    if (this.#rules.policy === "refuse") {
      const isInTheWay = tryLock(ledger, id, wishes).length > 0;
      if (isInTheWay) this.#giveUp(chain, transaction, "lockConflict");
      else this.#hold(chain, transaction);
      return;
    }
    let missing = 0;
    for (const wish of wishes) if (!lockOrWait(ledger, id, wish)) missing++;
    if (missing === 0) {
      this.#hold(chain, transaction);
      return;
    }
    state.claims.set(id, { transaction, stage: "rest", missing });
    state.waitingSinceMs.set(id, timestampMs);
    record.waits(id, "lockWait");
  }

  #hold(chain: ChainContext<State>, transaction: Transaction): void {
    chain.state.claims.set(transaction.id, { transaction, stage: "held", missing: 0 });
    chain.state.waitingSinceMs.delete(transaction.id);
    this.#rules.onHeld(chain, transaction);
  }

  #giveUp(chain: ChainContext<State>, transaction: Transaction, reason: FailureReason): void {
    this.release(chain, transaction);
    this.#rules.onRefused(chain, transaction, reason);
  }

  /** One after another, however long the line is: a granted lock may free the next at once. */
  #tellGranted(chain: ChainContext<State>): void {
    const { state } = chain;
    if (state.isTelling) return;
    state.isTelling = true;
    for (let grant = state.granted.shift(); grant !== undefined; grant = state.granted.shift()) {
      this.#onGrant(chain, grant);
    }
    state.isTelling = false;
  }

  #onGrant(chain: ChainContext<State>, { txId }: LockGrant): void {
    const claim = chain.state.claims.get(txId);
    if (claim === undefined) return;
    const missing = claim.missing - 1;
    if (missing > 0) {
      chain.state.claims.set(txId, { ...claim, missing });
      return;
    }
    chain.record.goesOn(txId);
    if (claim.stage === "sender") this.#admit(chain, claim);
    else this.#hold(chain, claim.transaction);
  }

  #wishes({ topology, chain }: ChainContext<State>, transaction: Transaction): LockWish[] {
    const access = accessOnShard(transaction, topology.placement, chain.id);
    return wishesFor(access, this.#rules.discipline);
  }
}
