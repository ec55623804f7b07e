import type { Address } from "../ledger/address.ts";
import { type Carry, closePurse, runSteps } from "../ledger/execution.ts";
import type { FailureReason } from "../ledger/receipt.ts";
import { accountIn, type StateView } from "../ledger/state.ts";
import { accountKey, type StateKey, type StateValue } from "../ledger/state-value.ts";
import { isRead, type Transaction, type TransactionId } from "../ledger/transaction.ts";
import type { ChainContext } from "./chain-context.ts";

/** What taking back some steps needs. Balances as differences: fees taken meanwhile stay taken. */
export interface HopUndo {
  readonly accounts: readonly {
    readonly address: Address;
    readonly gainedWei: bigint;
    readonly wordBefore: bigint;
  }[];
  /** Words of contracts' storage as they were. */
  readonly storage: readonly (readonly [StateKey, StateValue | undefined])[];
}

/** What came of running some steps. */
export type HopOutcome =
  | { readonly ok: true; readonly carry: Carry; readonly undo: HopUndo }
  | { readonly ok: false; readonly reason: FailureReason };

/** Steps `from` to `to` (not included), and whether they are the transaction's last. */
export interface HopRange {
  readonly from: number;
  readonly to: number;
  readonly isLast: boolean;
}

/**
 * Runs some steps of an admitted transaction on the chain's ledger, records what they read and
 * wrote, and charges for them. On failure nothing has changed and nothing is recorded.
 */
export function runHop(
  chain: ChainContext,
  transaction: Transaction,
  { from, to, isLast }: HopRange,
  carry: Carry,
): HopOutcome {
  const { ledger, record } = chain;
  const checkpoint = ledger.checkpoint();
  const tracked = new TrackedView(ledger);
  chain.charge("step", to - from);
  const ran = runSteps(tracked, transaction, { from, to }, carry, chain.execution);
  const outcome = isLast ? closePurse(ran) : ran;
  if (!outcome.ok) {
    ledger.revertTo(checkpoint);
    return outcome;
  }
  recordAccess(chain, transaction, from, to);
  record.move(transaction.id, carry.purse - outcome.carry.purse);
  return { ok: true, carry: outcome.carry, undo: tracked.undo() };
}

/** Takes back what a hop did on this chain. Its accounts must not have been written by others. */
export function undoHop(chain: ChainContext, txId: TransactionId, undo: HopUndo): void {
  const { ledger, record } = chain;
  let taken = 0n;
  for (const { address, gainedWei, wordBefore } of undo.accounts) {
    const account = accountIn(ledger, address);
    const balance = account.balance - gainedWei;
    ledger.set(accountKey(address), { ...account, balance, word: wordBefore });
    record.undo(txId, address);
    taken += gainedWei;
  }
  for (const [key, before] of undo.storage) ledger.set(key, before);
  for (const address of new Set(undo.storage.map(([key]) => contractOf(key)))) {
    record.undo(txId, address);
  }
  record.move(txId, -taken);
}

function recordAccess(
  { record }: ChainContext,
  { id, steps }: Transaction,
  from: number,
  to: number,
): void {
  // Few steps: a scan is cheaper than sets.
  for (let i = from; i < to; i++) {
    const step = steps[i];
    if (step === undefined || wasBefore(steps, from, i)) continue;
    const { address } = step;
    const isWritten = steps.slice(from, to).some((s) => s.address === address && !isRead(s));
    if (isWritten) record.write(id, address);
    else record.read(id, address);
  }
}

function wasBefore(steps: Transaction["steps"], from: number, i: number): boolean {
  for (let j = from; j < i; j++) if (steps[j]?.address === steps[i]?.address) return true;
  return false;
}

/** `s<contract>/<slot>`; see `storageKey`. */
function contractOf(key: StateKey): Address {
  return key.slice(1, 43) as Address;
}

/** Remembers what stood at each key before it was first written. */
class TrackedView implements StateView {
  readonly #view: StateView;
  readonly #before = new Map<StateKey, StateValue | undefined>();

  constructor(view: StateView) {
    this.#view = view;
  }

  get(key: StateKey): StateValue | undefined {
    return this.#view.get(key);
  }

  set(key: StateKey, value: StateValue | undefined): void {
    if (!this.#before.has(key)) this.#before.set(key, this.#view.get(key));
    this.#view.set(key, value);
  }

  undo(): HopUndo {
    const accounts: HopUndo["accounts"][number][] = [];
    const storage: (readonly [StateKey, StateValue | undefined])[] = [];
    for (const [key, before] of this.#before) {
      if (!key.startsWith("a")) {
        storage.push([key, before]);
        continue;
      }
      const address = key.slice(1) as Address;
      const was = before?.kind === "account" ? before : { balance: 0n, word: 0n };
      const gainedWei = accountIn(this.#view, address).balance - was.balance;
      accounts.push({ address, gainedWei, wordBefore: was.word });
    }
    return { accounts, storage };
  }
}
