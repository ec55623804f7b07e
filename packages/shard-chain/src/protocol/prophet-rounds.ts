import { type Hop, hopsOf, shardsOf } from "../ledger/hops.ts";
import type { FailureReason } from "../ledger/receipt.ts";
import { isRead, type Transaction, type TransactionId } from "../ledger/transaction.ts";
import { homeOf } from "./chain.ts";
import { awaitCoalition, land } from "./prophet-admission.ts";
import type {
  OutcomeData,
  Refusal,
  ReturnedData,
  RoundData,
  RoundItem,
  VoteData,
} from "./prophet-data.ts";
import { Scratch, verifyClaim } from "./prophet-preview.ts";
import { ownAccounts, type ShardContext } from "./prophet-shard-state.ts";
import { keepTentative, makeFinal, takeBack, tentativeView } from "./prophet-tentative.ts";

/** Executes rounds in their order, as far as the transactions themselves have come. */
export function runArrived(chain: ShardContext): void {
  const { arrived, bodies } = chain.state;
  for (let next = arrived[0]; next !== undefined; next = arrived[0]) {
    if (next.items.some(({ id }) => !bodies.has(id) && !isDoomed(chain, next.round, id))) return;
    arrived.shift();
    runRound(chain, next);
  }
}

function runRound(chain: ShardContext, { round, items }: RoundData): void {
  const { state, topology } = chain;
  const refusals: Refusal[] = [];
  for (const item of items) {
    if (isDoomed(chain, round, item.id)) continue;
    state.waiting.delete(item.id);
    const refusal = runItem(chain, item);
    if (refusal !== undefined) refusals.push(refusal);
  }
  state.lastRound = round;
  const votes = state.early.get(round) ?? [];
  state.early.delete(round);
  state.rounds.set(round, { items, votes: 0, refusals: [] });
  const own: VoteData = { round, refusals };
  for (let to = 0; to <= topology.shards; to++) {
    if (to !== chain.chain.id) chain.send(to, { kind: "vote", data: own });
  }
  for (const vote of [...votes, own]) countVote(chain, vote);
  finish(chain);
}

/** Post-verification and tentative execution in one. */
function runItem(chain: ShardContext, item: RoundItem): Refusal | undefined {
  const { state, ledger, topology, execution, height } = chain;
  const transaction = state.bodies.get(item.id) as Transaction;
  const hops = hopsOf(transaction, topology.placement);
  const scratch = new Scratch(tentativeView(ledger, state));
  const own = stepsOn(hops, chain.chain.id);
  chain.charge("step", own);
  const verified = verifyClaim(scratch, {
    transaction,
    hops,
    shard: chain.chain.id,
    claim: item,
    execution,
    isUnchanged: (address) => (state.changedAt.get(address) ?? 0) <= item.height,
  });
  const shards = new Set(hops.map(({ shard }) => shard)).size;
  if (!verified.isRight) {
    return [item.id, verified.reason, item.failsAt < 0 && shards > 1, verified.proof];
  }
  if (item.failsAt >= 0) return undefined;
  keepTentative(chain, item.id, scratch);
  noteChange(chain, transaction, height);
  return undefined;
}

function stepsOn(hops: readonly Hop[], shard: number): number {
  return hops.reduce((sum, hop) => sum + (hop.shard === shard ? hop.to - hop.from : 0), 0);
}

/** A shard has told what it found when it executed a round; this shard too. */
export function countVote({ state }: ShardContext, vote: VoteData): void {
  const { round, refusals } = vote;
  const known = state.rounds.get(round);
  if (known === undefined) {
    state.early.set(round, [...(state.early.get(round) ?? []), vote]);
    return;
  }
  const votes = known.votes + 1;
  state.rounds.set(round, { ...known, votes, refusals: [...known.refusals, ...refusals] });
}

/** Rounds become final in their order, once every shard has voted. */
export function finish(chain: ShardContext): void {
  const { state, topology } = chain;
  for (;;) {
    const number = state.nextFinal;
    const round = state.rounds.get(number);
    if (round === undefined || round.votes < topology.shards) return;
    const refusals = round.refusals.filter(([id]) => !isDoomed(chain, number, id));
    const outcome = state.outcomes.get(number);
    // Others may have executed what failed here: the sequence says what has to be taken back.
    if (refusals.some(([, , hasEffects]) => hasEffects) && outcome === undefined) return;
    state.outcomes.delete(number);
    state.rounds.delete(number);
    state.nextFinal = number + 1;
    const failed = verdicts(refusals);
    for (const { id, attempt } of round.items) {
      if (isDoomed(chain, number, id)) continue;
      const reason = failed.get(id);
      if (reason === undefined) commit(chain, id);
      else if (reason === "staleRead") tryAgain(chain, id, attempt + 1);
      else end(chain, id, reason);
    }
    for (const mark of state.doomed) if (mark.startsWith(`${number}/`)) state.doomed.delete(mark);
  }
}

/**
 * What becomes of refused transactions: who was refused for what somebody else changed is tried
 * again, whatever else was found.
 */
export function verdicts(refusals: readonly Refusal[]): Map<TransactionId, FailureReason> {
  const failed = new Map<TransactionId, FailureReason>();
  for (const [id, reason] of refusals) {
    if (reason === "staleRead" || !failed.has(id)) failed.set(id, reason);
  }
  return failed;
}

/** A round failed: what the sequence names is taken back, here and in later rounds. */
export function onOutcome(chain: ShardContext, outcome: OutcomeData): void {
  const { state } = chain;
  const { round, doomed, ended } = outcome;
  state.outcomes.set(round, outcome);
  state.lastUndone = round;
  const ids = new Set<TransactionId>();
  for (const [at, id] of doomed) {
    state.doomed.add(`${at}/${id}`);
    ids.add(id);
  }
  for (const [id] of ended) {
    state.doomed.add(`${round}/${id}`);
    ids.add(id);
  }
  for (const id of ids) touch(chain, id);
  takeBack(chain, ids);
  for (const [, id, attempt] of doomed) {
    const isComing = chain.state.arrived.some(({ items }) => items.some((item) => item.id === id));
    if (isComing || chain.state.bodies.has(id)) tryAgain(chain, id, attempt);
  }
  for (const [id, reason] of ended) end(chain, id, reason);
  // What has not been executed here need not wait for its body any more.
  runArrived(chain);
}

/** Transactions came too late to be ordered. */
export function onReturned(chain: ShardContext, { retried, ended }: ReturnedData): void {
  for (const [id, attempt] of retried) tryAgain(chain, id, attempt);
  for (const [id, reason] of ended) end(chain, id, reason);
}

function touch(chain: ShardContext, id: TransactionId): void {
  const transaction = chain.state.bodies.get(id);
  if (transaction !== undefined && chain.state.tentative.has(id)) {
    noteChange(chain, transaction, chain.height);
  }
}

function noteChange(chain: ShardContext, transaction: Transaction, height: number): void {
  for (const address of ownAccounts(chain, transaction)) {
    chain.state.changedAt.set(address, height);
  }
}

/** A coalition takes it once more. */
function tryAgain(chain: ShardContext, id: TransactionId, attempt: number): void {
  const { state, record, topology } = chain;
  state.attempts.set(id, attempt);
  const transaction = state.bodies.get(id);
  if (transaction === undefined) return;
  if (homeOf(transaction, topology) === chain.chain.id) record.retry(id);
  awaitCoalition(chain, transaction);
}

/** It ends without effect; its home says so. */
function end(chain: ShardContext, id: TransactionId, reason: FailureReason): void {
  const transaction = chain.state.bodies.get(id);
  if (transaction === undefined) return;
  if (homeOf(transaction, chain.topology) === chain.chain.id) {
    chain.record.decide(id, { outcome: "abort", reason, parts: 0 });
  }
  land(chain, transaction);
}

function commit(chain: ShardContext, id: TransactionId): void {
  const { state, record, topology } = chain;
  const transaction = state.bodies.get(id) as Transaction;
  const shards = shardsOf(transaction, topology.placement);
  for (const address of ownAccounts(chain, transaction)) {
    const isOnlyRead = transaction.steps.every((step) => step.address !== address || isRead(step));
    if (isOnlyRead) record.read(id, address);
    else record.write(id, address);
  }
  record.decide(id, { outcome: "commit", parts: shards.length });
  makeFinal(chain, id);
  record.settle(id, shards.indexOf(chain.chain.id), "commit");
  land(chain, transaction);
}

function isDoomed({ state }: ShardContext, round: number, id: TransactionId): boolean {
  return state.doomed.has(`${round}/${id}`);
}
