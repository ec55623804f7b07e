import type { Address } from "../ledger/address.ts";
import type { ChainId } from "./chain.ts";
import type { Note } from "./note.ts";
import { EARLY_MAX, PIECE_MAX, ROUNDS_MAX } from "./prophet-choices.ts";
import { batchOf, type ProphetMessage, type RoundItem } from "./prophet-data.ts";
import { giveBack, onVote } from "./prophet-judgement.ts";
import { order } from "./prophet-order.ts";
import type {
  Admitted,
  Candidate,
  Ordered,
  Origin,
  SequenceContext,
} from "./prophet-sequence-state.ts";

/** A message of a shard. */
export function onSequenceMessage(
  chain: SequenceContext,
  message: ProphetMessage,
  from: ChainId,
): void {
  const { state } = chain;
  if (message.kind === "admitted") {
    chain.charge("message", message.data.items.length);
    for (const [id, shards, accounts] of message.data.items) {
      const entry = { shards, accounts, attempt: 0, verified: 0, isOrdered: false };
      state.admitted.set(id, entry);
      const early = state.early.get(id);
      state.early.delete(id);
      if (early !== undefined) offer(chain, early);
    }
  }
  if (message.kind === "vote") onVote(chain, { ...message.data, shard: from });
}

/** A coalition's result stands in the block. */
export function onResult(chain: SequenceContext, note: Note): void {
  const batch = batchOf(note);
  if (batch === undefined) return;
  chain.charge("message", batch.claims.length);
  const origin: Origin = {
    noteId: note.id,
    leader: batch.leader,
    number: batch.number,
    read: new Map(
      batch.snapshots.map(([shard, height, , member, round, undone]) => [
        shard,
        { height, member, round, undone },
      ]),
    ),
  };
  for (const claim of batch.claims) {
    const candidate = { claim, origin };
    if (chain.state.admitted.has(claim.id)) offer(chain, candidate);
    else if (claim.attempt === 0 && chain.state.early.size < EARLY_MAX) {
      chain.state.early.set(claim.id, candidate);
    }
  }
}

/** The block ends: what can be ordered becomes a round. */
export function endSequenceBlock(chain: SequenceContext): void {
  const { state } = chain;
  const { candidates, nextRound, nextFinal } = state;
  if (candidates.size === 0 || nextRound - nextFinal >= ROUNDS_MAX) return;
  chain.charge("order", candidates.size);
  const { shardOf } = chain.topology.placement;
  const { chosen, stale } = order([...candidates.values()], state, (key) =>
    shardOf(key.slice(1) as Address),
  );
  for (const { claim } of [...chosen, ...stale]) candidates.delete(claim.id);
  giveBack(chain, stale);
  if (chosen.length === 0) return;
  const items = chosen.map((candidate): Ordered => {
    const { id } = candidate.claim;
    const known = state.admitted.get(id) as Admitted;
    state.admitted.set(id, { ...known, isOrdered: true });
    for (const [key, value] of candidate.claim.writes) {
      state.predicted.set(key, { value, round: nextRound });
    }
    return { ...candidate, shards: known.shards, accounts: known.accounts };
  });
  state.rounds.set(nextRound, { items, votes: [] });
  state.nextRound = nextRound + 1;
  for (let shard = 0; shard < chain.topology.shards; shard++) {
    const own = items.filter(({ shards }) => shards.includes(shard));
    for (let from = 0; from === 0 || from < own.length; from += PIECE_MAX) {
      const piece = own.slice(from, from + PIECE_MAX).map((item) => roundItem(item, shard));
      const isLast = from + PIECE_MAX >= own.length;
      chain.send(shard, { kind: "round", data: { round: nextRound, items: piece, isLast } });
    }
  }
}

function roundItem({ claim, origin }: Ordered, shard: ChainId): RoundItem {
  const { id, attempt, carries, failsAt, reads } = claim;
  // Predicted writes are for ordering only.
  return {
    id,
    attempt,
    carries,
    failsAt,
    reads,
    writes: [],
    height: origin.read.get(shard)?.height ?? 0,
  };
}

function offer({ state }: SequenceContext, candidate: Candidate): void {
  const { claim, origin } = candidate;
  const known = state.admitted.get(claim.id);
  if (known === undefined || known.isOrdered || known.attempt !== claim.attempt) return;
  // Nobody of one of its shards has looked at it.
  if (known.shards.some((shard) => origin.read.has(shard) !== true)) return;
  if (!state.candidates.has(claim.id)) state.candidates.set(claim.id, candidate);
}
