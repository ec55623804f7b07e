import { EMPTY_CARRY, runSteps } from "../ledger/execution.ts";
import type { FailureReason } from "../ledger/receipt.ts";
import type { Step, Transaction } from "../ledger/transaction.ts";
import type { ChainContext } from "./chain-context.ts";

// Contract calls carry no money and neither give nor take words (see `ContractCall`), so what they
// do follows from their contract's storage alone: its shard can run them before the other shards'
// steps are known, and again, to the same end, while it keeps the contract locked.

const isCall = ({ op }: Step) => op === "call";

/** The transaction's other steps: all that shards have to know of each other. */
export function withoutCalls(transaction: Transaction): Transaction {
  if (!transaction.steps.some(isCall)) return transaction;
  return { ...transaction, steps: transaction.steps.filter((step) => !isCall(step)) };
}

/** Whether the calls of contracts on this chain would fail, and why. Changes nothing. */
export function tryCalls(chain: ChainContext, transaction: Transaction): FailureReason | undefined {
  const checkpoint = chain.ledger.checkpoint();
  const failure = runCalls(chain, transaction);
  chain.ledger.revertTo(checkpoint);
  return failure;
}

/**
 * Runs the calls of contracts on this chain, in order, and charges for them. What they access is
 * not recorded here.
 *
 * @returns why one failed; those before it have taken effect then
 */
export function runCalls(chain: ChainContext, transaction: Transaction): FailureReason | undefined {
  const { placement } = chain.topology;
  const steps = transaction.steps.filter(
    (step) => isCall(step) && placement.shardOf(step.address) === chain.chain.id,
  );
  if (steps.length === 0) return undefined;
  chain.charge("step", steps.length);
  const calls = { ...transaction, steps };
  const range = { from: 0, to: steps.length };
  const outcome = runSteps(chain.ledger, calls, range, EMPTY_CARRY, chain.execution);
  return outcome.ok ? undefined : outcome.reason;
}
