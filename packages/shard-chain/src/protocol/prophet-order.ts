import type { NodeId } from "../node/host.ts";
import type { ChainId } from "./chain.ts";
import { ROUND_ENTRIES_MAX } from "./prophet-choices.ts";
import type { Candidate, SequenceState } from "./prophet-sequence-state.ts";

/**
 * The order within a round, from ids and predicted values alone: batches by hash, a leader's own by
 * number, and what a read follows from before it. A read of something else than what is predicted
 * to have been written since its snapshot is stale, and so is one of what was taken back since.
 *
 * @param shardOf the shard of a value's account
 */
export function order(
  candidates: readonly Candidate[],
  { predicted, spoiled }: Pick<SequenceState, "predicted" | "spoiled">,
  shardOf: (key: string) => ChainId,
): { chosen: Candidate[]; stale: Candidate[] } {
  const newest = new Map<string, bigint>();
  const follows = ({ claim, origin }: Candidate) =>
    claim.reads.every(([key, value]) => {
      const snapshot = origin.read.get(shardOf(key));
      if ((spoiled.get(key.slice(1)) ?? 0) > (snapshot?.undone ?? 0)) return false;
      const here = newest.get(key);
      if (here !== undefined) return here === value;
      const before = predicted.get(key);
      if (before === undefined || before.value === value) return true;
      return before.round <= (snapshot?.round ?? 0);
    });
  const chosen: Candidate[] = [];
  let open = byRank(candidates);
  for (let isMoving = true; isMoving && open.length > 0; ) {
    const later: Candidate[] = [];
    for (const candidate of open) {
      if (chosen.length >= ROUND_ENTRIES_MAX) return { chosen, stale: [] };
      if (!follows(candidate)) {
        later.push(candidate);
        continue;
      }
      chosen.push(candidate);
      for (const [key, value] of candidate.claim.writes) newest.set(key, value);
    }
    isMoving = later.length < open.length;
    open = later;
  }
  return { chosen, stale: open };
}

/** Batches by hash, but those of a leader one after the other; within a batch as they stand. */
function byRank(candidates: readonly Candidate[]): Candidate[] {
  const firstHash = new Map<NodeId, string>();
  for (const { origin } of candidates) {
    const hash = firstHash.get(origin.leader);
    if (hash === undefined || origin.noteId < hash) firstHash.set(origin.leader, origin.noteId);
  }
  const rank = ({ origin }: Candidate) => firstHash.get(origin.leader) as string;
  return candidates
    .map((candidate, index) => ({ candidate, index, rank: rank(candidate) }))
    .sort((one, other) => {
      if (one.rank !== other.rank) return one.rank < other.rank ? -1 : 1;
      const numbers = one.candidate.origin.number - other.candidate.origin.number;
      return numbers || one.index - other.index;
    })
    .map(({ candidate }) => candidate);
}
