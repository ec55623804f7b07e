import type { Committee } from "../node/committee.ts";
import type { Consensus, ConsensusLink, ConsensusName } from "../node/consensus.ts";
import type { Host, HostedNode, NodeId, NodeMessage } from "../node/host.ts";
import { HotStuff } from "./hotstuff.ts";
import type { HotStuffMessage } from "./hotstuff-messages.ts";
import type { ConsensusParts } from "./parts.ts";
import { Pbft } from "./pbft.ts";
import type { PbftMessage } from "./pbft-messages.ts";
import { Tendermint } from "./tendermint.ts";
import type { TendermintMessage } from "./tendermint-messages.ts";

/** What any of the consensus protocols sends. */
export type ConsensusMessage = TendermintMessage | HotStuffMessage | PbftMessage;

/** Channel of a chain's consensus messages. */
export function consensusChannel(chainId: string): string {
  return `consensus/${chainId}`;
}

/**
 * The link of a validator over its node's host.
 *
 * @param sizeOf length of a message on a socket
 */
export function hostLink(
  host: Host,
  committee: Committee,
  sizeOf: (message: ConsensusMessage) => number,
): ConsensusLink<ConsensusMessage> {
  const channel = consensusChannel(committee.chainId);
  const self = committee.indexOf(host.self);
  const wrap = (body: ConsensusMessage): NodeMessage => ({
    channel,
    sizeBytes: sizeOf(body),
    body,
  });
  const nodeOf = (index: number) => committee.validators[index]?.node;
  return {
    self,
    nowMs: () => host.nowMs(),
    send(to, message) {
      const node = nodeOf(to);
      if (node !== undefined) host.send(node, wrap(message));
    },
    broadcast(message) {
      const wrapped = wrap(message);
      committee.validators.forEach(({ node }, index) => {
        if (index !== self) host.send(node, wrapped);
      });
    },
    setTimer: (delayMs, fire) => host.setTimer(delayMs, fire),
    cancelTimer: (timer) => host.cancelTimer(timer),
    charge: (operation, count) => host.charge(operation, count),
  };
}

/** A validator of the named consensus. */
export function createConsensus(
  name: ConsensusName,
  parts: ConsensusParts<ConsensusMessage>,
): Consensus<ConsensusMessage> {
  // Each takes its own messages only; decoding and channels keep those of other protocols away.
  const make = {
    tendermint: () => new Tendermint(parts as ConsensusParts<TendermintMessage>),
    hotstuff: () => new HotStuff(parts as ConsensusParts<HotStuffMessage>),
    pbft: () => new Pbft(parts as ConsensusParts<PbftMessage>),
  };
  return make[name]() as Consensus<ConsensusMessage>;
}

/** A node that is a validator of one chain and nothing else. */
export class ConsensusNode implements HostedNode {
  readonly consensus: Consensus<ConsensusMessage>;
  readonly #committee: Committee;
  readonly #channel: string;

  constructor(committee: Committee, consensus: Consensus<ConsensusMessage>) {
    this.consensus = consensus;
    this.#committee = committee;
    this.#channel = consensusChannel(committee.chainId);
  }

  start(): void {
    this.consensus.start();
  }

  onMessage(from: NodeId, message: NodeMessage): void {
    const index = this.#committee.indexOf(from);
    if (message.channel !== this.#channel || index < 0) return;
    this.consensus.onMessage(index, message.body as ConsensusMessage);
  }
}
