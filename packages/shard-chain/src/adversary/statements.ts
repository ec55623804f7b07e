import { isSoundBlock, proposalStatement } from "../consensus/block-id.ts";
import type { ConsensusMessage } from "../consensus/consensus-node.ts";
import type { PbftViewChange } from "../consensus/pbft-messages.ts";
import { viewChangeStatement } from "../consensus/pbft-messages.ts";
import type { VoteCheck } from "../consensus/vote-check.ts";
import type { Block, Certificate, Vote } from "../node/block.ts";

/** A block that somebody proposed in a round (view), under the proposer's signature. */
export interface SignedProposal {
  readonly height: number;
  readonly round: number;
  readonly blockId: string;
  /** See `proposalStatement`. */
  readonly extra: number;
  readonly validator: number;
  readonly signature: Uint8Array;
}

/** Signed statements that somebody holds, each checked and held once. */
export interface Statements {
  readonly votes: readonly Vote[];
  readonly proposals: readonly SignedProposal[];
  readonly viewChanges: readonly PbftViewChange[];
  readonly blocks: ReadonlyMap<string, Block>;
}

/**
 * Takes apart what correct validators have received and keeps what is really signed. Messages of
 * faulty validators may hold anything; what is not signed by whom it names is left out.
 */
export class StatementCollector implements Statements {
  readonly blocks = new Map<string, Block>();
  readonly #check: VoteCheck;
  readonly #votes = new Map<string, Vote>();
  readonly #proposals = new Map<string, SignedProposal>();
  readonly #viewChanges = new Map<string, PbftViewChange>();
  readonly #seen = new WeakSet<object>();

  constructor(check: VoteCheck) {
    this.#check = check;
  }

  get votes(): readonly Vote[] {
    return [...this.#votes.values()];
  }

  get proposals(): readonly SignedProposal[] {
    return [...this.#proposals.values()];
  }

  get viewChanges(): readonly PbftViewChange[] {
    return [...this.#viewChanges.values()];
  }

  addMessage(message: ConsensusMessage): void {
    if (message.type === "view-change") {
      this.#addViewChange(message);
      return;
    }
    if (this.#isSeen(message)) return;
    switch (message.type) {
      case "vote":
        this.addVote(message.vote);
        break;
      case "proposal":
        this.#addBlock(message.block);
        this.#addProposal(message, proposalOf(message));
        if ("prevotes" in message) this.#addCertificate(message.prevotes);
        else for (const { highest } of message.timeouts) this.#addCertificate(highest);
        break;
      case "polka":
        this.#addBlock(message.block);
        this.#addCertificate(message.prevotes);
        break;
      case "timeout":
        this.#addCertificate(message.highest);
        break;
      case "pre-prepare":
        this.#addBlock(message.block);
        this.#addProposal(message, proposalOf(message));
        for (const change of message.viewChanges) this.#addViewChange(change);
        break;
      case "blocks":
        for (const { block, proof } of message.blocks) {
          this.#addBlock(block);
          this.#addCertificate(proof.certificate);
        }
        break;
    }
  }

  addVote(vote: Vote): void {
    if (this.#isSeen(vote) || !this.#check.isVote(vote)) return;
    const { kind, height, round, blockId, justifyRound, validator } = vote;
    const key = [kind, height, round, blockId, justifyRound, validator].join("|");
    if (!this.#votes.has(key)) this.#votes.set(key, vote);
  }

  /** @param carrier the message that it came in, whose signature may have been checked before */
  #addProposal(carrier: object, proposal: SignedProposal): void {
    const { height, round, blockId, extra, validator, signature } = proposal;
    const statement = proposalStatement(this.#check.committee.chainId, proposal);
    if (!this.#check.isSigned(carrier, validator, statement, signature)) return;
    const key = [height, round, blockId, extra, validator].join("|");
    if (!this.#proposals.has(key)) this.#proposals.set(key, proposal);
  }

  #addViewChange(change: PbftViewChange): void {
    if (this.#isSeen(change)) return;
    const statement = viewChangeStatement(this.#check.committee.chainId, change);
    if (!this.#check.isSigned(change, change.validator, statement, change.signature)) return;
    this.#viewChanges.set(statement, change);
    if (change.prepared === undefined) return;
    this.#addBlock(change.prepared.block);
    this.#addCertificate(change.prepared.prepares);
  }

  #addBlock(block: Block): void {
    if (this.#isSeen(block) || !isSoundBlock(block)) return;
    this.blocks.set(block.id, block);
    this.#addCertificate(block.justify);
  }

  #addCertificate(certificate: Certificate | undefined): void {
    if (certificate === undefined || this.#isSeen(certificate)) return;
    for (const vote of certificate.votes) this.addVote(vote);
  }

  #isSeen(object: object): boolean {
    if (this.#seen.has(object)) return true;
    this.#seen.add(object);
    return false;
  }
}

type Proposing = Extract<ConsensusMessage, { type: "proposal" | "pre-prepare" }>;

function proposalOf(message: Proposing): SignedProposal {
  const { block, signature } = message;
  const { id: blockId, header } = block;
  if (message.type === "pre-prepare") {
    const { height, view: round, primary: validator } = message;
    return { height, round, blockId, extra: -1, validator, signature };
  }
  if ("prevotes" in message) {
    const { height, round, validRound: extra, proposer: validator } = message;
    return { height, round, blockId, extra, validator, signature };
  }
  const { height, round, proposer: validator } = header;
  return { height, round, blockId, extra: -1, validator, signature };
}
