import type { Address } from "../ledger/address.ts";
import { EMPTY_CARRY } from "../ledger/execution.ts";
import { shardsOf } from "../ledger/hops.ts";
import { accountIn } from "../ledger/state.ts";
import type { Transaction } from "../ledger/transaction.ts";
import { takeParked } from "./admission.ts";
import { homeOf } from "./chain.ts";
import { HOME_ATTEMPTS } from "./prophet-choices.ts";
import { ownAccounts, type ShardContext } from "./prophet-shard-state.ts";
import { sureBalance } from "./prophet-tentative.ts";
import { runHop } from "./run-hop.ts";

/** A client's transaction stands in a block of its sender's shard. */
export function takeUp(chain: ShardContext, transaction: Transaction): void {
  const { id } = transaction;
  chain.record.begin(id, shardsOf(transaction, chain.topology.placement).length);
  tryAdmit(chain, transaction);
}

function tryAdmit(chain: ShardContext, transaction: Transaction): void {
  const { state, ledger, record } = chain;
  const { sender, nonce, fee, id } = transaction;
  if (state.gapped.has(sender)) {
    record.decide(id, { outcome: "abort", reason: "nonceGap", parts: 0 });
    return;
  }
  const isTurn = nonce <= accountIn(ledger, sender).nonce;
  // What is in flight may bring, or give back, what the fee lacks.
  const mayPayLater = sureBalance(chain, sender) < fee && state.inFlight.has(sender);
  if (!isTurn || (nonce === accountIn(ledger, sender).nonce && mayPayLater)) {
    state.parked.set(`${sender}/${nonce}`, transaction);
    record.waits(id, "orderingWait");
    return;
  }
  const refusal = chain.admit(transaction);
  if (refusal === undefined) {
    begin(chain, transaction);
    const next = takeParked(state.parked, transaction);
    if (next !== undefined) tryAdmit(chain, next);
    return;
  }
  record.decide(id, { outcome: "abort", reason: refusal, parts: 0 });
  if (refusal === "feeNotCovered") closeGap(chain, transaction);
}

/** Those that wait for a nonce that will not come end. */
function closeGap({ state, record }: ShardContext, transaction: Transaction): void {
  state.gapped.add(transaction.sender);
  let next = takeParked(state.parked, transaction);
  while (next !== undefined) {
    record.decide(next.id, { outcome: "abort", reason: "nonceGap", parts: 0 });
    next = takeParked(state.parked, next);
  }
}

/** An admitted transaction is run at once, or goes its way. */
function begin(chain: ShardContext, transaction: Transaction): void {
  const { topology, state, record } = chain;
  const { id, steps } = transaction;
  const shards = shardsOf(transaction, topology.placement);
  const isFree = () => steps.every(({ address }) => !state.inFlight.has(address));
  if (shards.length === 1 && isFree()) {
    const range = { from: 0, to: steps.length, isLast: true };
    const outcome = runHop(chain, transaction, range, EMPTY_CARRY);
    if (outcome.ok) {
      record.decide(id, { outcome: "commit", parts: 1 });
      record.settle(id, 0, "commit");
    } else record.decide(id, { outcome: "abort", reason: outcome.reason, parts: 0 });
    return;
  }
  fly(chain, transaction);
  for (const shard of shards.slice(1)) chain.send(shard, { kind: "announce", transaction });
  state.admitted.push([id, shards, [...new Set(steps.map(({ address }) => address))]]);
}

/** From now on the transaction is in flight here. */
export function fly(chain: ShardContext, transaction: Transaction): void {
  const { state, record } = chain;
  state.bodies.set(transaction.id, transaction);
  record.waits(transaction.id, "orderingWait");
  for (const address of ownAccounts(chain, transaction)) {
    state.inFlight.set(address, (state.inFlight.get(address) ?? 0) + 1);
  }
  awaitCoalition(chain, transaction);
}

/** From now on a coalition should take it, if it is this shard's turn to lead one. */
export function awaitCoalition(chain: ShardContext, transaction: Transaction): void {
  const { state, topology, timestampMs } = chain;
  const attempt = state.attempts.get(transaction.id) ?? 0;
  const shards = shardsOf(transaction, topology.placement);
  const lead = attempt < HOME_ATTEMPTS ? homeOf(transaction, topology) : Math.min(...shards);
  if (lead !== chain.chain.id) state.waiting.delete(transaction.id);
  else state.waiting.set(transaction.id, { transaction, attempt, sinceMs: timestampMs });
}

/** It is no longer. */
export function land(chain: ShardContext, transaction: Transaction): void {
  const { state } = chain;
  const { id, sender } = transaction;
  state.bodies.delete(id);
  state.waiting.delete(id);
  state.attempts.delete(id);
  const touched = ownAccounts(chain, transaction);
  for (const address of touched) {
    const left = (state.inFlight.get(address) ?? 1) - 1;
    if (left > 0) {
      state.inFlight.set(address, left);
      continue;
    }
    state.inFlight.delete(address);
    state.changedAt.delete(address);
  }
  for (const address of new Set([...touched, sender])) unpark(chain, address);
}

/** Whoever waited to pay a fee tries again. */
function unpark(chain: ShardContext, sender: Address): void {
  const { state, ledger } = chain;
  if (state.parked.size === 0) return;
  const key = `${sender}/${accountIn(ledger, sender).nonce}`;
  const next = state.parked.get(key);
  if (next === undefined) return;
  state.parked.delete(key);
  tryAdmit(chain, next);
}
