import { type ConsensusMessage, consensusChannel } from "../consensus/consensus-node.ts";
import type { Committee } from "../node/committee.ts";
import { forwardingHost } from "../node/forwarding-host.ts";
import type { Host, HostedNode, NodeId, NodeMessage } from "../node/host.ts";
import { type FalseVoter, falseVotes } from "./false-votes.ts";
import type { Strategy } from "./scenario.ts";

type Equivocation = Extract<Strategy, { kind: "equivocate" }>;

/** What a faulty node is made of. */
export interface FaultyNodeParts {
  readonly host: Host;
  readonly committee: Committee;
  readonly strategies: readonly Strategy[];
  readonly voter: FalseVoter;
  /** Validators that equivocate too: copy k of each hears copy k of the others. */
  readonly equivocators: ReadonlySet<number>;
  /** Runs the real code on a host; `blocksBack` starts it from an old state. */
  readonly createCopy: (copy: number, host: Host, blocksBack?: number) => HostedNode;
}

/** Stands between the copies of two equivocators in a channel's name. */
const COPY_MARK = "#";

/**
 * A faulty validator: one or more copies of the real code, and strategies between them and the
 * network. It can sign anything with its own key and nothing with another's. What a validator says
 * beside its consensus (messages between chains, for instance) its first copy alone says, openly.
 */
export class FaultyNode implements HostedNode {
  readonly #parts: FaultyNodeParts;
  readonly #equivocation: Equivocation | undefined;
  readonly #copies: HostedNode[];

  constructor(parts: FaultyNodeParts) {
    this.#parts = parts;
    this.#equivocation = parts.strategies.find((one) => one.kind === "equivocate");
    const copies = this.#equivocation?.sides.length ?? 1;
    this.#copies = Array.from({ length: copies }, (_, k) =>
      parts.createCopy(k, this.#hostOfCopy(k)),
    );
  }

  start(): void {
    for (const copy of this.#copies) copy.start();
    for (const strategy of this.#parts.strategies) {
      if (strategy.kind !== "stale-snapshot") continue;
      this.#parts.host.setTimer(strategy.atMs, () => this.#goBack(strategy.blocksBack));
    }
  }

  onMessage(from: NodeId, message: NodeMessage): void {
    const { committee, strategies } = this.#parts;
    const [channel, mark] = message.channel.split(COPY_MARK) as [string, string?];
    if (channel !== consensusChannel(committee.chainId)) {
      for (const copy of this.#copies) copy.onMessage(from, message);
      return;
    }
    if (strategies.some(({ kind }) => kind === "false-vote")) this.#voteFor(message);
    const sender = committee.indexOf(from);
    const plain = mark === undefined ? message : { ...message, channel };
    this.#copies.forEach((copy, k) => {
      if (this.#talks(k, sender, mark)) copy.onMessage(from, plain);
    });
  }

  #goBack(blocksBack: number): void {
    this.#copies.forEach((_, k) => {
      const fresh = this.#parts.createCopy(k, this.#hostOfCopy(k), blocksBack);
      this.#copies[k] = fresh;
      fresh.start();
    });
  }

  /** Whether copy k hears a sender. */
  #talks(k: number, sender: number, mark: string | undefined): boolean {
    if (this.#equivocation === undefined) return true;
    if (mark !== undefined) return mark === String(k);
    return this.#equivocation.sides[k]?.includes(sender) ?? false;
  }

  #voteFor(message: NodeMessage): void {
    const { committee, host, voter } = this.#parts;
    for (const vote of falseVotes(voter, message.body as ConsensusMessage)) {
      const body: ConsensusMessage = { type: "vote", vote };
      const sent = { channel: consensusChannel(committee.chainId), sizeBytes: 200, body };
      for (const { node } of committee.validators) if (node !== host.self) host.send(node, sent);
    }
  }

  /** The host as a copy sees it: sends go through the strategies. */
  #hostOfCopy(k: number): Host {
    return forwardingHost(this.#parts.host, (to, message) => this.#sendFrom(k, to, message));
  }

  #sendFrom(k: number, to: NodeId, message: NodeMessage): void {
    const { committee, equivocators, host, strategies } = this.#parts;
    if (message.channel !== consensusChannel(committee.chainId)) {
      if (k === 0) host.send(to, message);
      return;
    }
    const receiver = committee.indexOf(to);
    const isPartner = this.#equivocation !== undefined && equivocators.has(receiver);
    if (!isPartner && !this.#talks(k, receiver, undefined)) return;
    const type = typeOf(message.body as ConsensusMessage);
    let delayMs = 0;
    for (const strategy of strategies) {
      if (strategy.kind === "withhold" && strategy.to.includes(receiver)) {
        if (strategy.types?.includes(type) ?? true) return;
      }
      if (strategy.kind === "delay" && strategy.to.includes(receiver)) delayMs = strategy.delayMs;
    }
    const sent = isPartner
      ? { ...message, channel: `${message.channel}${COPY_MARK}${k}` }
      : message;
    if (delayMs === 0) host.send(to, sent);
    else host.setTimer(delayMs, () => host.send(to, sent));
  }
}

/** How strategies and holds name a message; votes go by their kind. */
export function typeOf(message: ConsensusMessage): string {
  return message.type === "vote" ? message.vote.kind : message.type;
}
