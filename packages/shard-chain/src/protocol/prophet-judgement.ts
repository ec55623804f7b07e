import type { FailureReason } from "../ledger/receipt.ts";
import type { TransactionId } from "../ledger/transaction.ts";
import { ATTEMPTS_MAX, RETURNS_MAX, ROUNDS_KEPT } from "./prophet-choices.ts";
import type { Ended, OutcomeData, Refusal, ReturnedData } from "./prophet-data.ts";
import { verdicts } from "./prophet-rounds.ts";
import type {
  Candidate,
  Ordered,
  SequenceContext,
  SequencedRound,
  SequenceState,
} from "./prophet-sequence-state.ts";

/** A shard has executed a round: rounds end in their order, once all shards have. */
export function onVote(chain: SequenceContext, vote: SequencedRound["votes"][number]): void {
  const { state, topology } = chain;
  const known = state.rounds.get(vote.round);
  if (known === undefined) return;
  state.rounds.set(vote.round, { ...known, votes: [...known.votes, vote] });
  for (;;) {
    const round = state.rounds.get(state.nextFinal);
    if (round === undefined || round.votes.length < topology.shards) return;
    finish(chain, state.nextFinal, round);
    state.nextFinal++;
  }
}

/** Every shard has voted on the round, and those before it are final. */
function finish(chain: SequenceContext, number: number, { items, votes }: SequencedRound): void {
  const { state } = chain;
  const open = new Set(items.map(({ claim }) => claim.id));
  const refusals = votes.flatMap((vote) => vote.refusals).filter(([id]) => open.has(id));
  blame(state, items, votes);
  state.rounds.delete(number);
  for (const [key, { round }] of state.predicted) {
    if (round <= number - ROUNDS_KEPT) state.predicted.delete(key);
  }
  for (const [account, round] of state.spoiled) {
    if (round <= number - ROUNDS_KEPT) state.spoiled.delete(account);
  }
  const failed = verdicts(refusals);
  if (refusals.some(([, , hasEffects]) => hasEffects)) {
    failSlowly(chain, number, items, refusals, failed);
    return;
  }
  const exhausted: Ended[] = [];
  for (const { claim } of items) {
    const reason = failed.get(claim.id);
    if (reason === "staleRead") retry(chain, claim.id, exhausted, 1);
    else state.admitted.delete(claim.id);
  }
  tellReturned(chain, [], exhausted);
}

/** Who has signed what a shard proves wrong. */
function blame(
  { culprits }: SequenceState,
  items: SequencedRound["items"],
  votes: SequencedRound["votes"],
): void {
  for (const { shard, refusals } of votes) {
    for (const [id, , , proof] of refusals) {
      if (proof === "") continue;
      const origin = items.find(({ claim }) => claim.id === id)?.origin;
      if (origin === undefined) continue;
      const { noteId, leader, read } = origin;
      for (const node of new Set([leader, read.get(shard)?.member ?? leader])) {
        const lies = (culprits.get(node)?.lies ?? 0) + 1;
        culprits.set(node, { lies, noteId, proof });
      }
    }
  }
}

/** What came too late is pre-executed again, unless that has been tried too often. */
export function giveBack(chain: SequenceContext, stale: readonly Candidate[]): void {
  const retried: ReturnedData["retried"][number][] = [];
  const ended: Ended[] = [];
  for (const { claim } of stale) {
    if (again(chain, claim.id, 0)) retried.push([claim.id, claim.attempt + 1]);
    else ended.push([claim.id, "staleRead"]);
  }
  tellReturned(chain, retried, ended);
}

/** @returns whether it may be tried once more; else it is forgotten */
function again({ state }: SequenceContext, id: TransactionId, verified: 0 | 1): boolean {
  const known = state.admitted.get(id);
  if (known === undefined) return true;
  const next = {
    ...known,
    attempt: known.attempt + 1,
    verified: known.verified + verified,
    isOrdered: false,
  };
  const isOver = next.verified >= ATTEMPTS_MAX || next.attempt - next.verified >= RETURNS_MAX;
  if (!isOver) state.admitted.set(id, next);
  return !isOver;
}

/** Its home has a coalition take it once more; without another attempt left it ends. */
function retry(
  chain: SequenceContext,
  id: TransactionId,
  exhausted: Ended[],
  verified: 0 | 1,
): void {
  if (!again(chain, id, verified)) exhausted.push([id, "staleRead"]);
}

function tellReturned(
  chain: SequenceContext,
  retried: ReturnedData["retried"],
  ended: readonly Ended[],
): void {
  if (retried.length + ended.length === 0) return;
  const { admitted } = chain.state;
  for (let shard = 0; shard < chain.topology.shards; shard++) {
    const isHere = (id: TransactionId) => admitted.get(id)?.shards.includes(shard) === true;
    const data = {
      retried: retried.filter(([id]) => isHere(id)),
      ended: ended.filter(([id]) => isHere(id)),
    };
    if (data.retried.length + data.ended.length === 0) continue;
    chain.send(shard, { kind: "returned", data });
  }
  for (const [id] of ended) admitted.delete(id);
}

/** A transaction failed that other shards may have executed: names what falls with it. */
function failSlowly(
  chain: SequenceContext,
  number: number,
  items: readonly Ordered[],
  refusals: readonly Refusal[],
  failed: ReadonlyMap<TransactionId, FailureReason>,
): void {
  const { state } = chain;
  const withEffects = new Set(refusals.flatMap(([id, , has]) => (has ? [id] : [])));
  const dirty = new Set<string>();
  const doomed: OutcomeData["doomed"][number][] = [];
  const ended: Ended[] = [];
  const exhausted: Ended[] = [];
  const spoil = ({ accounts, claim }: Ordered) => {
    for (const account of accounts) {
      dirty.add(account);
      state.spoiled.set(account, number);
    }
    for (const [key] of claim.writes) state.predicted.delete(key);
  };
  for (const item of items) {
    const { id, attempt } = item.claim;
    const reason = failed.get(id);
    if (item.accounts.some((account) => dirty.has(account))) {
      doomed.push([number, id, attempt + 1]);
      spoil(item);
      retry(chain, id, exhausted, 0);
    } else if (reason === undefined) {
      state.admitted.delete(id);
    } else {
      if (withEffects.has(id)) spoil(item);
      if (reason === "staleRead") {
        doomed.push([number, id, attempt + 1]);
        retry(chain, id, exhausted, 1);
      } else {
        ended.push([id, reason]);
        state.admitted.delete(id);
      }
    }
  }
  for (const [later, round] of state.rounds) {
    const kept: Ordered[] = [];
    for (const item of round.items) {
      if (!item.accounts.some((account) => dirty.has(account))) {
        kept.push(item);
        continue;
      }
      doomed.push([later, item.claim.id, item.claim.attempt + 1]);
      spoil(item);
      retry(chain, item.claim.id, exhausted, 0);
    }
    state.rounds.set(later, { ...round, items: kept });
  }
  for (let shard = 0; shard < chain.topology.shards; shard++) {
    chain.send(shard, { kind: "outcome", data: { round: number, doomed, ended } });
  }
  tellReturned(chain, [], exhausted);
}
