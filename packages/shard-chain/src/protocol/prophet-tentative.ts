import type { Address } from "../ledger/address.ts";
import { accountIn, type StateView } from "../ledger/state.ts";
import { accountKey, type StateKey, type StateValue } from "../ledger/state-value.ts";
import type { TransactionId } from "../ledger/transaction.ts";
import type { ChainContext } from "./chain-context.ts";
import type { Scratch } from "./prophet-preview.ts";

/** What a transaction did to an account. */
interface AccountEffect {
  readonly address: Address;
  /** Balance change, wei. */
  readonly netWei: bigint;
  /** Of a loss: what the ledger has given already. */
  readonly takenWei: bigint;
  /** Undefined: unchanged. */
  readonly word: bigint | undefined;
}

/** What a transaction did on a shard before it is final. */
export interface Effects {
  readonly accounts: readonly AccountEffect[];
  readonly storage: readonly (readonly [StateKey, StateValue | undefined])[];
}

/** What all transactions that are not final did to one account or word of storage, in sum. */
type Overlay =
  | {
      readonly kind: "account";
      /** What is to come to the balance, less what is to leave it, wei. */
      readonly dueWei: bigint;
      /** What is to leave it, wei: no fee may be paid with that. */
      readonly owedWei: bigint;
      readonly word: bigint | undefined;
      readonly users: number;
    }
  | { readonly kind: "storage"; readonly value: StateValue | undefined; readonly users: number };

/** What a shard keeps of transactions that it has executed and that are not final. */
export interface TentativeState {
  /** In the order of their execution. */
  readonly tentative: Map<TransactionId, Effects>;
  readonly overlay: Map<StateKey, Overlay>;
}

/** First state. */
export function tentativeState(): TentativeState {
  return { tentative: new Map(), overlay: new Map() };
}

/** The accounts of a shard with everything that is tentative on top. */
export function tentativeView(
  ledger: Pick<StateView, "get">,
  { overlay }: Pick<TentativeState, "overlay">,
): Pick<StateView, "get"> {
  return {
    get(key) {
      const over = overlay.get(key);
      if (over === undefined) return ledger.get(key);
      if (over.kind === "storage") return over.value;
      const account = accountIn(ledger, key.slice(1) as Address);
      return {
        ...account,
        balance: account.balance + over.dueWei,
        word: over.word ?? account.word,
      };
    },
  };
}

type Context = ChainContext<TentativeState>;

/** Keeps what a run has written, as far as it is tentative: only losses reach the ledger. */
export function keepTentative(chain: Context, txId: TransactionId, scratch: Scratch): void {
  const effects = effectsOf(chain, scratch);
  chain.state.tentative.set(txId, effects);
  for (const { address, takenWei } of effects.accounts) addTo(chain, address, -takenWei);
  chain.record.move(txId, -takenOf(effects));
  addOverlay(chain.state, effects);
}

/** Makes what the oldest tentative transaction of its accounts did final. */
export function makeFinal(chain: Context, txId: TransactionId): void {
  const { ledger, record, state } = chain;
  const effects = state.tentative.get(txId);
  if (effects === undefined) return;
  state.tentative.delete(txId);
  let moved = 0n;
  for (const { address, netWei, takenWei, word } of effects.accounts) {
    const account = accountIn(ledger, address);
    const balance = account.balance + netWei + takenWei;
    ledger.set(accountKey(address), { ...account, balance, word: word ?? account.word });
    moved += netWei + takenWei;
  }
  for (const [key, value] of effects.storage) ledger.set(key, value);
  record.move(txId, moved);
  removeOverlay(state, effects);
}

/**
 * Takes transactions back. Whatever was executed after one of them on an account of it has to be
 * among them.
 */
export function takeBack(chain: Context, ids: ReadonlySet<TransactionId>): void {
  const { state, record } = chain;
  let isAny = false;
  for (const id of ids) {
    const effects = state.tentative.get(id);
    if (effects === undefined) continue;
    isAny = true;
    state.tentative.delete(id);
    for (const { address, takenWei } of effects.accounts) addTo(chain, address, takenWei);
    record.move(id, takenOf(effects));
  }
  if (!isAny) return;
  state.overlay.clear();
  for (const effects of state.tentative.values()) addOverlay(state, effects);
}

/** What a sender can pay a fee with, whatever becomes of the transactions in flight. */
export function sureBalance({ ledger, state }: Context, address: Address): bigint {
  const over = state.overlay.get(accountKey(address));
  const owedWei = over?.kind === "account" ? over.owedWei : 0n;
  return accountIn(ledger, address).balance - owedWei;
}

function effectsOf(chain: Context, { written, below }: Scratch): Effects {
  const accounts: AccountEffect[] = [];
  const storage: [StateKey, StateValue | undefined][] = [];
  for (const [key, value] of written) {
    if (value?.kind !== "account") {
      storage.push([key, value]);
      continue;
    }
    const address = key.slice(1) as Address;
    const before = accountIn(below, address);
    const netWei = value.balance - before.balance;
    const takenWei = smaller(owed(netWei), sureBalance(chain, address));
    const word = value.word === before.word ? undefined : value.word;
    accounts.push({ address, netWei, takenWei, word });
  }
  return { accounts, storage };
}

function addOverlay({ overlay }: TentativeState, { accounts, storage }: Effects): void {
  for (const { address, netWei, takenWei, word } of accounts) {
    const key = accountKey(address);
    const over = overlay.get(key);
    const before = over?.kind === "account" ? over : { dueWei: 0n, owedWei: 0n, word, users: 0 };
    overlay.set(key, {
      kind: "account",
      dueWei: before.dueWei + netWei + takenWei,
      owedWei: before.owedWei + owed(netWei + takenWei),
      word: word ?? before.word,
      users: before.users + 1,
    });
  }
  for (const [key, value] of storage) {
    overlay.set(key, { kind: "storage", value, users: (overlay.get(key)?.users ?? 0) + 1 });
  }
}

function removeOverlay({ overlay }: TentativeState, { accounts, storage }: Effects): void {
  for (const { address, netWei, takenWei } of accounts) {
    const key = accountKey(address);
    const over = overlay.get(key);
    if (over?.kind !== "account") continue;
    if (over.users === 1) {
      overlay.delete(key);
      continue;
    }
    overlay.set(key, {
      ...over,
      dueWei: over.dueWei - netWei - takenWei,
      owedWei: over.owedWei - owed(netWei + takenWei),
      users: over.users - 1,
    });
  }
  for (const [key] of storage) {
    const over = overlay.get(key);
    if (over === undefined) continue;
    if (over.users === 1) overlay.delete(key);
    else overlay.set(key, { ...over, users: over.users - 1 });
  }
}

/** The part of a coming change that leaves the account. */
const owed = (changeWei: bigint) => (changeWei < 0n ? -changeWei : 0n);

const smaller = (wishedWei: bigint, sureWei: bigint) =>
  sureWei <= 0n ? 0n : wishedWei < sureWei ? wishedWei : sureWei;

function addTo({ ledger }: Context, address: Address, wei: bigint): void {
  if (wei === 0n) return;
  const account = accountIn(ledger, address);
  ledger.set(accountKey(address), { ...account, balance: account.balance + wei });
}

function takenOf({ accounts }: Effects): bigint {
  return accounts.reduce((sum, { takenWei }) => sum + takenWei, 0n);
}
