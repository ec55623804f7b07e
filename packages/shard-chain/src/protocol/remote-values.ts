import type { Address } from "../ledger/address.ts";
import { closePurse, EMPTY_CARRY, runSteps } from "../ledger/execution.ts";
import { accessOnShard } from "../ledger/hops.ts";
import type { FailureReason } from "../ledger/receipt.ts";
import { accountIn, type StateView } from "../ledger/state.ts";
import { type Account, accountKey, EMPTY_ACCOUNT, type StateKey } from "../ledger/state-value.ts";
import { isRead, type Transaction } from "../ledger/transaction.ts";
import type { ChainContext } from "./chain-context.ts";

/** What an account holds, in a message. */
export type AccountValue = readonly [address: Address, balanceWei: bigint, word: bigint];

/** What a whole transaction does to given accounts. */
export interface Evaluation {
  /** Undefined when it succeeds. */
  readonly reason: FailureReason | undefined;
  /** Afterwards; as before when it fails. */
  readonly values: readonly AccountValue[];
}

/** The accounts of a transaction on this chain as they stand. */
export function valuesOn(chain: ChainContext, transaction: Transaction): AccountValue[] {
  const { topology, ledger } = chain;
  const { reads, writes } = accessOnShard(transaction, topology.placement, chain.chain.id);
  return [...writes, ...reads].map((address) => {
    const { balance, word } = accountIn(ledger, address);
    return [address, balance, word];
  });
}

/** Runs all steps on these accounts and nothing else: the same wherever it is computed. */
export function evaluate(transaction: Transaction, values: readonly AccountValue[]): Evaluation {
  const accounts = new Map<StateKey, Account>(
    values.map(([address, balance, word]) => [
      accountKey(address),
      { ...EMPTY_ACCOUNT, balance, word },
    ]),
  );
  const view: StateView = {
    get: (key) => accounts.get(key),
    set: (key, value) => {
      if (value?.kind === "account") accounts.set(key, value);
    },
  };
  const { steps } = transaction;
  if (steps.some(({ op }) => op === "call")) return { reason: "unsupported", values };
  const range = { from: 0, to: steps.length };
  const outcome = closePurse(runSteps(view, transaction, range, EMPTY_CARRY));
  if (!outcome.ok) return { reason: outcome.reason, values };
  const after = values.map(([address]): AccountValue => {
    const { balance, word } = accountIn(view, address);
    return [address, balance, word];
  });
  return { reason: undefined, values: after };
}

/**
 * Writes the outcome to the accounts of this chain and records it. Balances as differences: the
 * fees that a sender has paid since the values were read stay paid.
 */
export function applyValues(
  chain: ChainContext,
  transaction: Transaction,
  before: readonly AccountValue[],
  after: readonly AccountValue[],
): void {
  const { ledger, record, topology } = chain;
  const { id, steps } = transaction;
  chain.charge("step", steps.length);
  let moved = 0n;
  before.forEach(([address, balanceBefore], i) => {
    if (topology.placement.shardOf(address) !== chain.chain.id) return;
    const touching = steps.filter((step) => step.address === address);
    if (touching.length === 0) return;
    if (touching.every(isRead)) {
      record.read(id, address);
      return;
    }
    const [, balanceAfter, word] = after[i] as AccountValue;
    const account = accountIn(ledger, address);
    const balance = account.balance + balanceAfter - balanceBefore;
    ledger.set(accountKey(address), { ...account, balance, word });
    record.write(id, address);
    moved += balanceAfter - balanceBefore;
  });
  record.move(id, moved);
}
