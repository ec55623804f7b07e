import type { Address } from "./address.ts";
import { type Digest, digestToHex } from "./hash.ts";
import { pathOf, proveKey, type StateProof } from "./state-proof.ts";
import { hashTree, leavesOf, lookUp, type TreeNode, updateTree } from "./state-tree.ts";
import {
  type Account,
  accountKey,
  EMPTY_ACCOUNT,
  recordKey,
  type StateKey,
  type StateValue,
  storageKey,
} from "./state-value.ts";

/** What execution reads and writes; a shard's own state, or values that came with proofs. */
export interface StateView {
  get(key: StateKey): StateValue | undefined;
  set(key: StateKey, value: StateValue | undefined): void;
}

/**
 * The state of one shard at one height. Never changes: `draft` starts the next one. Holding an old
 * state costs only what has changed since, so snapshots, forks and speculation are free.
 */
export class LedgerState {
  readonly #tree: TreeNode | undefined;

  constructor(tree?: TreeNode) {
    this.#tree = tree;
  }

  get(key: StateKey): StateValue | undefined {
    return lookUp(this.#tree, pathOf(key));
  }

  /** The account at an address; an empty one when nothing ever happened there. */
  account(address: Address): Account {
    return accountIn(this, address);
  }

  /** Hash over all values; computed when first asked for, then kept. */
  get root(): Digest {
    return hashTree(this.#tree);
  }

  /** `root` in hex, as it stands in blocks. */
  get rootHex(): string {
    return digestToHex(this.root);
  }

  /** Shows to whoever knows the root what stands at `key`. */
  prove(key: StateKey): StateProof {
    return proveKey(this.#tree, key);
  }

  /** A draft of the next state. */
  draft(): StateDraft {
    return new StateDraft(this.#tree);
  }

  /** Every value of the state, in the tree's order: for oracles and snapshots, O(values). */
  *values(): Generator<StateValue> {
    for (const leaf of leavesOf(this.#tree)) yield leaf.value;
  }
}

type Overwritten = readonly [key: StateKey, before: StateValue | undefined, wasWritten: boolean];

/** How far a draft had come; give it to `revertTo`. */
export type Checkpoint = number;

/**
 * The next state in the making: reads see its own writes. `commit` gives the state with all of them
 * and leaves the state it began with untouched.
 */
export class StateDraft implements StateView {
  readonly #tree: TreeNode | undefined;
  readonly #written = new Map<StateKey, StateValue | undefined>();
  /** What each write replaced, newest last. */
  readonly #journal: Overwritten[] = [];

  constructor(tree: TreeNode | undefined) {
    this.#tree = tree;
  }

  get(key: StateKey): StateValue | undefined {
    const written = this.#written.get(key);
    if (written !== undefined || this.#written.has(key)) return written;
    return lookUp(this.#tree, pathOf(key));
  }

  /** Sets a value; undefined takes it out of the state. */
  set(key: StateKey, value: StateValue | undefined): void {
    const before = this.#written.get(key);
    this.#journal.push([key, before, before !== undefined || this.#written.has(key)]);
    this.#written.set(key, value);
  }

  /** Marks the present, to come back to when a transaction fails. */
  checkpoint(): Checkpoint {
    return this.#journal.length;
  }

  /** Undoes every write since the checkpoint. */
  revertTo(checkpoint: Checkpoint): void {
    while (this.#journal.length > checkpoint) {
      const [key, before, wasWritten] = this.#journal.pop() as Overwritten;
      if (wasWritten) this.#written.set(key, before);
      else this.#written.delete(key);
    }
  }

  /** How many keys differ, at most, from the state the draft began with. */
  get writtenCount(): number {
    return this.#written.size;
  }

  /** The state with all writes. The draft must not be used afterwards. */
  commit(): LedgerState {
    const changes = [...this.#written].map(([key, value]) => [pathOf(key), value] as const);
    changes.sort(([one], [other]) => (one < other ? -1 : 1));
    return new LedgerState(updateTree(this.#tree, changes));
  }
}

/** The account at an address of a view; an empty one where it has none. */
export function accountIn(view: Pick<StateView, "get">, address: Address): Account {
  const value = view.get(accountKey(address));
  return value?.kind === "account" ? value : EMPTY_ACCOUNT;
}

/** A word of a contract's storage; 0 where nothing was stored. */
export function storageIn(view: Pick<StateView, "get">, contract: Address, slot: bigint): bigint {
  const value = view.get(storageKey(contract, slot));
  return value?.kind === "storage" ? value.value : 0n;
}

/** Stores a word of a contract's storage; a zero is taken out, as in Ethereum. */
export function storeIn(view: StateView, contract: Address, slot: bigint, value: bigint): void {
  view.set(storageKey(contract, slot), value === 0n ? undefined : { kind: "storage", value });
}

/** Bytes that a protocol keeps in the state under a name of its own; undefined when none. */
export function recordIn(view: Pick<StateView, "get">, name: string): Uint8Array | undefined {
  const value = view.get(recordKey(name));
  return value?.kind === "bytes" ? value.bytes : undefined;
}

/** Keeps, or with undefined forgets, a protocol's bytes. */
export function putRecordIn(view: StateView, name: string, bytes: Uint8Array | undefined): void {
  view.set(recordKey(name), bytes === undefined ? undefined : { kind: "bytes", bytes });
}

/** A first state: accounts with the balances they begin with. */
export function genesisState(balances: Iterable<readonly [Address, bigint]>): LedgerState {
  const draft = new LedgerState().draft();
  for (const [address, balance] of balances) {
    draft.set(accountKey(address), { ...EMPTY_ACCOUNT, balance });
  }
  return draft.commit();
}
