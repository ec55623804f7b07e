import type { Address } from "../ledger/address.ts";
import { hopsOf } from "../ledger/hops.ts";
import { accountIn, type StateView } from "../ledger/state.ts";
import { accountKey } from "../ledger/state-value.ts";
import type { Transaction, TransactionId } from "../ledger/transaction.ts";
import type { Placement } from "../placement/placement.ts";
import { ROUNDS_KEPT } from "./prophet-choices.ts";
import type { Claim } from "./prophet-data.ts";
import { preExecute, Scratch } from "./prophet-preview.ts";
import type { ShardState } from "./prophet-shard-state.ts";

/** What a transaction will have done to an account. */
interface Change {
  readonly address: Address;
  readonly netWei: bigint;
  /** Undefined: unchanged. */
  readonly word: bigint | undefined;
}

/** A transaction that was predicted. */
interface Open {
  readonly attempt: number;
  readonly changes: readonly Change[];
  /** The round in which the leader's shard has executed it; undefined: it has not. */
  readonly round: number | undefined;
}

/** What a leader's shard tells of the transactions that it has predicted. */
export type Progress = Pick<ShardState, "waiting" | "rounds" | "doomed" | "lastRound">;

/** Accounts as snapshots have them. */
export interface Base extends Pick<StateView, "get"> {
  /** The last round that is executed in the snapshot that an account is from. */
  roundOf(address: Address): number;
}

/** A transaction to be predicted. */
export interface Tried {
  readonly transaction: Transaction;
  readonly attempt: number;
}

/** A leader's predictions: each builds on those before it that no snapshot shows yet. */
export class Prediction {
  readonly #open = new Map<TransactionId, Open>();

  /** Learns what has been executed; forgets what every snapshot shows, or will be tried again. */
  follow({ waiting, rounds, doomed, lastRound }: Progress): void {
    for (const [id, open] of this.#open) {
      if (waiting.get(id)?.attempt === open.attempt) continue;
      const round = open.round ?? roundWith(rounds, id, open.attempt);
      const isGone = round === undefined || waiting.has(id) || doomed.has(`${round}/${id}`);
      if (isGone || round <= lastRound - ROUNDS_KEPT) this.#open.delete(id);
      else if (open.round === undefined) this.#open.set(id, { ...open, round });
    }
  }

  /** Pre-executes a batch, one transaction after the other. */
  predict(batch: readonly Tried[], base: Base, placement: Placement): Claim[] {
    const changed = new Map<Address, { netWei: bigint; word: bigint | undefined }>();
    for (const { changes, round } of this.#open.values()) {
      for (const { address, netWei, word } of changes) {
        if (round !== undefined && round <= base.roundOf(address)) continue;
        const before = changed.get(address);
        changed.set(address, {
          netWei: netWei + (before?.netWei ?? 0n),
          word: word ?? before?.word,
        });
      }
    }
    const view = new Scratch({
      get(key) {
        const change = changed.get(key.slice(1) as Address);
        if (change === undefined || !key.startsWith("a")) return base.get(key);
        const account = accountIn(base, key.slice(1) as Address);
        const balance = account.balance + change.netWei;
        return { ...account, balance, word: change.word ?? account.word };
      },
    });
    const isBase = (address: Address) =>
      !changed.has(address) && !view.written.has(accountKey(address));
    return batch.map(({ transaction, attempt }) => {
      const { id } = transaction;
      const own = [...new Set(transaction.steps.map(({ address }) => address))];
      const before = own.map((address) => accountIn(view, address));
      const preview = preExecute(transaction, hopsOf(transaction, placement), view, isBase);
      const changes = own.map((address, i): Change => {
        const account = accountIn(view, address);
        const was = before[i] ?? account;
        const word = account.word === was.word ? undefined : account.word;
        return { address, netWei: account.balance - was.balance, word };
      });
      this.#open.set(id, { attempt, changes, round: undefined });
      return { id, attempt, ...preview };
    });
  }
}

function roundWith(
  rounds: Progress["rounds"],
  id: TransactionId,
  attempt: number,
): number | undefined {
  for (const [round, { items }] of rounds) {
    if (items.some((item) => item.id === id && item.attempt === attempt)) return round;
  }
  return undefined;
}
