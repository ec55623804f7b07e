import type { Address } from "../ledger/address.ts";
import type { GenesisAccount } from "../ledger/genesis.ts";
import type { Transaction } from "../ledger/transaction.ts";

/**
 * Accounts and the transactions among them. Both can be walked again and again, and are the same
 * each time: a workload is a function of its options and its seed.
 */
export interface Workload {
  readonly name: string;
  /** What a reader of results must know, e.g. that a stand-in runs in place of contract code. */
  readonly remarks: readonly string[];
  /** Every account with what the transactions need it to have. */
  genesis(): Iterable<GenesisAccount>;
  /** In the order of their arrival. Each sender's nonces rise by one from 0. */
  transactions(): Iterable<Transaction>;
}

/** A transaction and when it is meant to arrive, virtual ms; rising. */
export interface TimedTransaction {
  readonly intendedMs: number;
  readonly transaction: Transaction;
}

/** Counts each sender's nonces. */
export class NonceCounter {
  readonly #next = new Map<Address, number>();

  take(sender: Address): number {
    const nonce = this.#next.get(sender) ?? 0;
    this.#next.set(sender, nonce + 1);
    return nonce;
  }
}
