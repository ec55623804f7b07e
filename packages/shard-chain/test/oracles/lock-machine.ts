import type { Prng } from "@fmlab/sim";
import type { Address } from "../../src/ledger/address.ts";
import {
  admit,
  type Carry,
  closePurse,
  EMPTY_CARRY,
  runSteps,
} from "../../src/ledger/execution.ts";
import { genesisStates } from "../../src/ledger/genesis.ts";
import { accessOnShard, type Hop, hopsOf } from "../../src/ledger/hops.ts";
import { tryLock, unlock, wishesFor } from "../../src/ledger/locks.ts";
import { accountIn, type LedgerState, type StateDraft } from "../../src/ledger/state.ts";
import { type Account, accountKey } from "../../src/ledger/state-value.ts";
import type { Transaction } from "../../src/ledger/transaction.ts";
import { RunHistory } from "../../src/oracles/history.ts";
import { modulo } from "../../src/placement/modulo.ts";
import type { Workload } from "../../src/workloads/workload.ts";

/** Faults that can be planted in the machine. */
export type Fault =
  | "noLocks"
  | "locksReleasedAfterEachHop"
  | "undoForgotten"
  | "hopRunTwice"
  | "lastHopDropped";

interface Running {
  readonly transaction: Transaction;
  readonly hops: readonly Hop[];
  next: number;
  carry: Carry;
  tries: number;
  /** Accounts as they were before each hop wrote them, newest last. */
  readonly before: { shard: number; account: Account; address: Address }[];
}

/**
 * Strict two-phase locking over shards without any network: transactions run hop by hop in a random
 * interleaving, hold their locks to the end, and give up after some refused locks. Small enough to
 * be believed, and recorded like a protocol: what the oracles say about it can be checked.
 */
export class LockMachine {
  readonly history = new RunHistory();
  readonly genesis: readonly LedgerState[];
  /** Transactions that had an effect, in the order they ended: a serial order under strict 2PL. */
  readonly ended: { transaction: Transaction; outcome: "commit" | "abort" }[] = [];
  readonly #drafts: StateDraft[];
  readonly #placement: ReturnType<typeof modulo>;
  readonly #prng: Prng;
  readonly #fault: Fault | undefined;

  constructor(workload: Workload, shardCount: number, prng: Prng, fault?: Fault) {
    this.#placement = modulo(shardCount);
    this.genesis = genesisStates(workload.genesis(), this.#placement);
    this.#drafts = this.genesis.map((state) => state.draft());
    this.#prng = prng;
    this.#fault = fault;
    this.#runAll([...workload.transactions()]);
  }

  /** The states at the end. */
  finalStates(): LedgerState[] {
    return this.#drafts.map((draft) => draft.commit());
  }

  #runAll(waiting: Transaction[]): void {
    const running: Running[] = [];
    while (waiting.length > 0 || running.length > 0) {
      while (running.length < 5 && waiting.length > 0) {
        const transaction = waiting.shift() as Transaction;
        const hops = hopsOf(transaction, this.#placement);
        running.push({ transaction, hops, next: 0, carry: EMPTY_CARRY, tries: 0, before: [] });
      }
      const one = this.#prng.pick(running);
      if (this.#advance(one)) running.splice(running.indexOf(one), 1);
    }
  }

  /** Runs a transaction's next hop; true when it has ended. */
  #advance(one: Running): boolean {
    const { transaction, hops } = one;
    const hop = hops[one.next] as Hop;
    const draft = this.#drafts[hop.shard] as StateDraft;
    one.tries++;
    // Who was never admitted (no money for the fee, or after one that had none) goes unrecorded.
    if (one.next === 0 && one.tries > 300) return true;
    if (!this.#lock(one, hop)) return one.next > 0 && one.tries > 60 && this.#end(one, "abort");
    if (one.next === 0) {
      if (admit(draft, transaction) !== undefined) {
        unlock(draft, transaction.id, this.#accountsOn(transaction, hop.shard));
        return false;
      }
      this.history.begin(transaction.id, hops.length);
      this.history.burn(transaction.fee);
    }
    const isLast = one.next === hops.length - 1;
    if (isLast && this.#fault === "lastHopDropped" && one.next > 0) return this.#end(one, "commit");
    const times = this.#fault === "hopRunTwice" && isLast && one.next > 0 ? 2 : 1;
    const { carry } = one;
    for (let i = 0; i < times; i++) {
      one.carry = carry;
      if (!this.#run(one, hop)) return this.#end(one, "abort");
    }
    if (this.#fault === "locksReleasedAfterEachHop") {
      unlock(draft, transaction.id, this.#accountsOn(transaction, hop.shard));
    }
    one.next++;
    one.tries = 0;
    return isLast && this.#end(one, "commit");
  }

  #lock({ transaction }: Running, hop: Hop): boolean {
    if (this.#fault === "noLocks") return true;
    const access = accessOnShard(transaction, this.#placement, hop.shard);
    const wishes = wishesFor(access, "readWrite");
    return tryLock(this.#drafts[hop.shard] as StateDraft, transaction.id, wishes).length === 0;
  }

  #run(one: Running, hop: Hop): boolean {
    const { transaction } = one;
    const draft = this.#drafts[hop.shard] as StateDraft;
    const checkpoint = draft.checkpoint();
    const steps = transaction.steps.slice(hop.from, hop.to);
    const writes = new Set(steps.filter(({ op }) => op !== "observe").map((step) => step.address));
    const saved = [...writes].map((address) => {
      return { shard: hop.shard, address, account: accountIn(draft, address) };
    });
    let outcome = runSteps(draft, transaction, hop, one.carry);
    if (one.next === one.hops.length - 1) outcome = closePurse(outcome);
    if (!outcome.ok) {
      draft.revertTo(checkpoint);
      return false;
    }
    one.before.push(...saved);
    const { id } = transaction;
    for (const step of steps) if (step.op === "observe") this.history.read(id, step.address);
    for (const address of writes) this.history.write(id, address);
    this.history.move(id, one.carry.purse - outcome.carry.purse);
    one.carry = outcome.carry;
    return true;
  }

  #end(one: Running, outcome: "commit" | "abort"): boolean {
    const { transaction, hops } = one;
    if (outcome === "abort") this.#takeBack(one);
    for (const { shard } of hops) {
      const draft = this.#drafts[shard] as StateDraft;
      unlock(draft, transaction.id, this.#accountsOn(transaction, shard));
    }
    const remains = outcome === "commit" || this.#fault === "undoForgotten";
    hops.slice(0, one.next).forEach(({ shard }, part) => {
      this.history.settle(transaction.id, part, shard, remains ? "commit" : "abort");
    });
    this.history.finish(transaction.id, outcome);
    this.ended.push({ transaction, outcome });
    return true;
  }

  #takeBack({ transaction, before, carry }: Running): void {
    if (this.#fault === "undoForgotten") return;
    for (const { shard, address, account } of before.reverse()) {
      const draft = this.#drafts[shard] as StateDraft;
      // The nonce of the sender stays counted.
      const { nonce } = accountIn(draft, address);
      draft.set(accountKey(address), { ...account, nonce });
      this.history.undo(transaction.id, address);
    }
    this.history.move(transaction.id, carry.purse);
  }

  #accountsOn(transaction: Transaction, shard: number): Address[] {
    const { reads, writes } = accessOnShard(transaction, this.#placement, shard);
    return [...reads, ...writes];
  }
}
