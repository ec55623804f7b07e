import type { ChainInfo, Topology } from "./chain.ts";
import { homeOf } from "./chain.ts";
import type { ChainContext } from "./chain-context.ts";
import type { Note } from "./note.ts";
import { takeUp } from "./prophet-admission.ts";
import { Coalitions } from "./prophet-coalition.ts";
import { batchOf, type ProphetMessage, type Snapshot } from "./prophet-data.ts";
import { endSequenceBlock, onResult, onSequenceMessage } from "./prophet-sequence.ts";
import { type SequenceState, sequenceState } from "./prophet-sequence-state.ts";
import { endShardBlock, onShardMessage } from "./prophet-shard.ts";
import { type ShardState, shardState } from "./prophet-shard-state.ts";
import { type NoteCheck, type Protocol, type ProtocolSettings, protocolEntry } from "./protocol.ts";

/** What Prophet keeps for a chain. */
export type ProphetState = ShardState | SequenceState;

/**
 * Prophet, a reconstruction: coalitions of nodes of several shards pre-execute, a sequence without
 * state orders, shards verify and execute in that order without locks. What was chosen, and why, is
 * in `prophet-choices.ts`.
 *
 * @see Hong et al. 2023, Prophet: Conflict-Free Sharding Blockchain via Byzantine-Tolerant
 *      Deterministic Ordering (INFOCOM, arXiv:2304.08595), of which only the abstract was read
 */
export function createProphet(settings: ProtocolSettings): Protocol<ProphetState> {
  return {
    name: "prophet",
    title: "Prophet, pre-execution and deterministic order (reconstruction)",
    source: "Hong et al. 2023 (INFOCOM, arXiv:2304.08595), abstract; the rest reconstructed",
    isReconstruction: true,
    promises: new Set(["serialisability"]),
    committees: [{ name: "sequence", validators: settings.committeeValidators }],
    entryOf: homeOf,
    createState: ({ isShard }) => (isShard ? shardState() : sequenceState()),
    onTransaction(chain, transaction) {
      if (isOnShard(chain)) takeUp(chain, transaction);
    },
    onCrossMessage(chain, message, from) {
      if (isOnShard(chain)) onShardMessage(chain, message as ProphetMessage, from);
      else if (isOnSequence(chain)) onSequenceMessage(chain, message as ProphetMessage, from);
    },
    onNote(chain, note) {
      if (isOnSequence(chain)) onResult(chain, note);
    },
    onCommit(chain) {
      if (isOnShard(chain)) endShardBlock(chain);
      else if (isOnSequence(chain)) endSequenceBlock(chain);
    },
    isValidNote: isSignedResult,
    createDuty: (node) => (node.chain.isShard ? new Coalitions(node, settings) : {}),
  };
}

/** For the registry. */
export const PROPHET = protocolEntry("prophet", createProphet);

const isOnShard = (
  chain: ChainContext<ProphetState> | ChainContext<ShardState>,
): chain is ChainContext<ShardState> => !chain.state.isSequence;

const isOnSequence = (
  chain: ChainContext<ProphetState> | ChainContext<SequenceState>,
): chain is ChainContext<SequenceState> => chain.state.isSequence;

/** A result counts when its leader and a member of each shard that it names have signed it. */
function isSignedResult(chain: ChainInfo, note: Note, check: NoteCheck): boolean {
  const batch = chain.isShard ? undefined : batchOf(note);
  if (batch === undefined || !areMembers(batch.snapshots, check.topology, check)) return false;
  const members = new Set(batch.snapshots.map(([, , , member]) => member));
  const isHome = batch.snapshots.some(
    ([shard, , , member]) => shard === batch.home && member === batch.leader,
  );
  if (!isHome || note.signatures.length !== members.size) return false;
  return note.signatures.every(
    ({ node, signature }) => members.delete(node) && check.verify(node, note.id, signature),
  );
}

/** Each shard once, each by a validator of its own. */
function areMembers(
  snapshots: readonly Snapshot[],
  { shards }: Topology,
  { nodesOf }: NoteCheck,
): boolean {
  const seen = new Set<number>();
  return snapshots.every(([shard, , , member]) => {
    const isNew = shard < shards && !seen.has(shard);
    seen.add(shard);
    return isNew && nodesOf(shard).includes(member);
  });
}
