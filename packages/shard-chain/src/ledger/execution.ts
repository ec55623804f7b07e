import type { Address } from "./address.ts";
import type { ContractRunner } from "./contract-runner.ts";
import type { FailureReason, Receipt } from "./receipt.ts";
import { accountIn, type StateDraft, type StateView } from "./state.ts";
import { type Account, accountKey } from "./state-value.ts";
import type { Step, Transaction } from "./transaction.ts";

const BALANCE_LIMIT = 1n << 128n;

/** What steps hand on to the steps after them, also across shards. */
export interface Carry {
  /** Wei taken from accounts and not given to any yet: value in flight. */
  readonly purse: bigint;
  /** What was read, mixed; 0 <= word < 2^64. */
  readonly word: bigint;
  /** Sum of the balances observed, wei. */
  readonly seen: bigint;
}

/** What the first step gets. */
export const EMPTY_CARRY: Carry = { purse: 0n, word: 0n, seen: 0n };

/** Outcome of some steps. */
export type StepsOutcome =
  | { readonly ok: true; readonly carry: Carry }
  | { readonly ok: false; readonly reason: FailureReason };

/** What a node needs to execute. */
export interface ExecutionContext {
  /** Runs contracts; without one every call fails with `noContract`. */
  readonly contracts?: ContractRunner;
}

const FAILED = {
  insufficientBalance: { ok: false, reason: "insufficientBalance" },
  emptyPurse: { ok: false, reason: "emptyPurse" },
  balanceOverflow: { ok: false, reason: "balanceOverflow" },
} as const satisfies Record<string, StepsOutcome>;

/**
 * Admits a transaction on its sender's shard: checks nonce and fee, counts the one and burns the
 * other. To be done exactly once, before any step, whatever the protocol.
 *
 * @returns why it was refused (then nothing has changed); undefined when it was admitted
 */
export function admit(
  view: StateView,
  { sender, nonce, fee }: Transaction,
): FailureReason | undefined {
  const account = accountIn(view, sender);
  if (nonce !== account.nonce) return "badNonce";
  if (account.balance < fee) return "feeNotCovered";
  const balance = account.balance - fee;
  view.set(accountKey(sender), { ...account, nonce: nonce + 1, balance });
  return undefined;
}

/**
 * Runs steps `from` to `to` (not included) of an admitted transaction.
 *
 * All or nothing is the caller's to see to: on failure, earlier steps of the call have taken effect
 * on the view; take a checkpoint before.
 */
export function runSteps(
  view: StateView,
  transaction: Transaction,
  range: { readonly from: number; readonly to: number },
  carry: Carry,
  context: ExecutionContext = {},
): StepsOutcome {
  let now = carry;
  for (let i = range.from; i < range.to; i++) {
    const outcome = runStep(view, transaction, transaction.steps[i] as Step, now, context);
    if (!outcome.ok) return outcome;
    now = outcome.carry;
  }
  return { ok: true, carry: now };
}

/** A whole transaction on one state: what every protocol's outcome is compared with. */
export function executeTransaction(
  draft: StateDraft,
  transaction: Transaction,
  context: ExecutionContext = {},
): Receipt {
  const txId = transaction.id;
  const refusal = admit(draft, transaction);
  if (refusal !== undefined) return { txId, status: "refused", reason: refusal };
  const checkpoint = draft.checkpoint();
  const range = { from: 0, to: transaction.steps.length };
  const outcome = closePurse(runSteps(draft, transaction, range, EMPTY_CARRY, context));
  if (outcome.ok) return { txId, status: "done", reason: undefined };
  draft.revertTo(checkpoint);
  return { txId, status: "failed", reason: outcome.reason };
}

/** The outcome of a transaction's last steps: they must leave nothing in the purse. */
export function closePurse(outcome: StepsOutcome): StepsOutcome {
  if (!outcome.ok || outcome.carry.purse === 0n) return outcome;
  return { ok: false, reason: "purseNotEmpty" };
}

function runStep(
  view: StateView,
  transaction: Transaction,
  step: Step,
  carry: Carry,
  context: ExecutionContext,
): StepsOutcome {
  const account = accountIn(view, step.address);
  switch (step.op) {
    case "observe": {
      const word = mixWords(carry.word, account.word);
      return { ok: true, carry: { ...carry, word, seen: carry.seen + account.balance } };
    }
    case "debit":
      return takeOut(view, step.address, account, step.amount, carry);
    case "sweep":
      return takeOut(view, step.address, account, account.balance, carry);
    case "check": {
      const isCovered = carry.seen + account.balance >= step.amount;
      const amount = isCovered ? step.amount : step.amount + step.penalty;
      return takeOut(view, step.address, account, amount, carry);
    }
    case "credit":
      return putIn(view, step.address, account, step.amount, carry);
    case "deposit":
      return putIn(view, step.address, account, carry.purse, carry);
    case "mix": {
      const salt = BigInt(`0x${transaction.id.slice(0, 16)}`);
      const word = mixWords(mixWords(account.word, carry.word), salt);
      view.set(accountKey(step.address), { ...account, word });
      return { ok: true, carry: { ...carry, word } };
    }
    case "call": {
      if (context.contracts === undefined) return { ok: false, reason: "noContract" };
      const caller = transaction.sender;
      const call = { contract: step.address, caller, data: step.data, slots: step.slots };
      const failure = context.contracts.call(view, call);
      return failure === undefined ? { ok: true, carry } : { ok: false, reason: failure };
    }
  }
}

function takeOut(
  view: StateView,
  address: Address,
  account: Account,
  amount: bigint,
  carry: Carry,
): StepsOutcome {
  if (account.balance < amount) return FAILED.insufficientBalance;
  view.set(accountKey(address), { ...account, balance: account.balance - amount });
  return { ok: true, carry: { ...carry, purse: carry.purse + amount } };
}

function putIn(
  view: StateView,
  address: Address,
  account: Account,
  amount: bigint,
  carry: Carry,
): StepsOutcome {
  if (carry.purse < amount) return FAILED.emptyPurse;
  const balance = account.balance + amount;
  if (balance >= BALANCE_LIMIT) return FAILED.balanceOverflow;
  view.set(accountKey(address), { ...account, balance });
  return { ok: true, carry: { ...carry, purse: carry.purse - amount } };
}

/** Depends on both words and on their order; the factor is that of PCG's 64-bit generator. */
function mixWords(one: bigint, other: bigint): bigint {
  return BigInt.asUintN(64, (one ^ (one >> 29n)) * 6364136223846793005n + other);
}
