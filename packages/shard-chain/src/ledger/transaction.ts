import type { Address } from "./address.ts";

/** SHA-256 of a transaction's content, 64 lower-case hex digits. */
export type TransactionId = string;

/**
 * One action on one account. A transaction is a list of them: that is what sharding protocols need
 * to know of a program, since a run of steps on one shard's accounts can be executed there and
 * handed on. What goes from step to step is a `Carry`: money under way, and what was read.
 *
 * Money moves through the purse only, so no list of steps can create any.
 */
export type Step =
  /** Reads the account: its balance is added to what was seen, its word enters the carried one. */
  | { readonly op: "observe"; readonly address: Address }
  /** Takes money out of the account into the purse. Fails when the balance is too small. */
  | { readonly op: "debit"; readonly address: Address; readonly amount: bigint }
  /** Puts money from the purse into the account. Fails when the purse holds less. */
  | { readonly op: "credit"; readonly address: Address; readonly amount: bigint }
  /** Takes the whole balance into the purse. */
  | { readonly op: "sweep"; readonly address: Address }
  /** Puts the whole purse into the account. */
  | { readonly op: "deposit"; readonly address: Address }
  /**
   * Debits `amount`, and `penalty` on top when the balance and all balances seen so far are less.
   * SmallBank's check.
   */
  | {
      readonly op: "check";
      readonly address: Address;
      readonly amount: bigint;
      readonly penalty: bigint;
    }
  /**
   * Mixes the account's word, the carried word and the transaction into the account's new word, and
   * carries it on. The outcome depends on the order of transactions and on every word read before:
   * the stand-in for contract code that is not available.
   */
  | { readonly op: "mix"; readonly address: Address }
  /**
   * Runs the contract at the address with the sender as caller. Fails when it reverts. `slots` are
   * the words of storage that it is expected to read: an access list (EIP-2930), for speed only.
   */
  | {
      readonly op: "call";
      readonly address: Address;
      readonly data: Uint8Array;
      readonly slots: readonly bigint[];
    };

/** What workloads call their transactions; results are broken down by it. */
export const TRANSACTION_KINDS = ["transfer", "call", "standIn"] as const;

/**
 * What a transaction is: a plain transfer, a call that runs what it says (native program or real
 * contract), or a call of recorded data whose code a stand-in replaces.
 */
export type TransactionKind = (typeof TRANSACTION_KINDS)[number];

/** A transaction without its id. */
export interface TransactionContent {
  readonly kind: TransactionKind;
  readonly sender: Address;
  /** How many transactions of the sender were admitted before this one. */
  readonly nonce: number;
  /** Wei that the sender's shard burns when it admits the transaction, whatever comes of it. */
  readonly fee: bigint;
  readonly steps: readonly Step[];
  /** Bytes of call data that only take room: those of recorded calls run by a stand-in. */
  readonly paddingBytes: number;
}

/** A transaction as clients send it. Never changed once made. */
export interface Transaction extends TransactionContent {
  readonly id: TransactionId;
  /** What it takes on the network and in a block: encoding and padding. */
  readonly sizeBytes: number;
}

/** Whether a step only reads. */
export function isRead(step: Step): boolean {
  return step.op === "observe";
}

/** The accounts a transaction reads and writes, and nothing else may it touch. */
export interface AccessSet {
  /** Accounts it only reads, in the order of its steps. */
  readonly reads: readonly Address[];
  /** Accounts it writes, the sender first (nonce and fee), then in the order of its steps. */
  readonly writes: readonly Address[];
}

/** What a transaction will touch: known before it runs. */
export function accessSetOf({ sender, steps }: TransactionContent): AccessSet {
  const writes = new Set<Address>([sender]);
  const reads = new Set<Address>();
  for (const step of steps) (isRead(step) ? reads : writes).add(step.address);
  for (const address of writes) reads.delete(address);
  return { reads: [...reads], writes: [...writes] };
}
