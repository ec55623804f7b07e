import { fly } from "./prophet-admission.ts";
import type { ProphetMessage } from "./prophet-data.ts";
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
      chain.state.arrived.push(message.data);
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
  chain.send(chain.topology.shards, { kind: "admitted", data: { items: [...admitted] } });
  admitted.length = 0;
}
