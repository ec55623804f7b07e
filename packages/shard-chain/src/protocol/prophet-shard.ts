import { fly } from "./prophet-admission.ts";
import { PIECE_MAX } from "./prophet-choices.ts";
import type { ProphetMessage, RoundData } from "./prophet-data.ts";
import { countVote, finish, onOutcome, onReturned, runArrived } from "./prophet-rounds.ts";
import type { ShardContext } from "./prophet-shard-state.ts";

/** A message of another chain. */
export function onShardMessage(chain: ShardContext, message: ProphetMessage, from: number): void {
  switch (message.kind) {
    case "announce":
      fly(chain, message.transaction);
      runArrived(chain);
      return;
    case "round":
      chain.charge("message", message.data.items.length);
      addPiece(chain, message.data);
      runArrived(chain);
      return;
    case "vote":
      if (from !== chain.chain.id) countVote(chain, message.data);
      finish(chain);
      return;
    case "outcome":
      onOutcome(chain, message.data);
      finish(chain);
      return;
    case "returned":
      onReturned(chain, message.data);
  }
}

/** The block ends: the sequence is told whom it admitted. */
export function endShardBlock(chain: ShardContext): void {
  const { admitted } = chain.state;
  if (admitted.length === 0) return;
  for (let from = 0; from < admitted.length; from += PIECE_MAX) {
    const items = admitted.slice(from, from + PIECE_MAX);
    chain.send(chain.topology.shards, { kind: "admitted", data: { items } });
  }
  admitted.length = 0;
}

function addPiece({ state }: ShardContext, data: RoundData): void {
  state.pieces.push(...data.items);
  if (!data.isLast) return;
  state.arrived.push({ ...data, items: [...state.pieces] });
  state.pieces.length = 0;
}
