import { shardsOf } from "../ledger/hops.ts";
import type { Block } from "../node/block.ts";
import type { Host } from "../node/host.ts";
import { contentOf } from "./block-content.ts";
import type { ProcessRoom } from "./process-room.ts";
import { CLIENT_CHANNEL, type ClientMessage } from "./shard-node.ts";

/** A faulty validator answers what it sees in a final block with transactions of its own. */
export function frontRun(
  { settings, topology, recorder, directory }: ProcessRoom,
  host: Host,
  block: Block,
): void {
  const { protocol, adversary } = settings;
  if (adversary?.frontRunner === undefined) return;
  for (const transaction of contentOf(block).transactions) {
    const attack = adversary.frontRunner.against(transaction);
    if (attack === undefined) continue;
    const isCrossShard = shardsOf(attack, topology.placement).length > 1;
    recorder.arrive(attack, host.nowMs(), isCrossShard);
    const body: ClientMessage = { transactions: [attack] };
    for (const node of directory.nodesOf(protocol.entryOf(attack, topology))) {
      host.send(node, { channel: CLIENT_CHANNEL, sizeBytes: attack.sizeBytes, body });
    }
  }
}
