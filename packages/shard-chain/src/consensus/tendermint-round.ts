import type { Block } from "../node/block.ts";
import type { Committee } from "../node/committee.ts";
import { Tally } from "./tally.ts";
import type { TendermintProposal } from "./tendermint-messages.ts";

/** Proposals of one round that are kept; an equivocating proposer gets no more room. */
const PROPOSALS_KEPT = 2;

/** The part of the message log that belongs to one round, and which "first time" rules fired. */
export class TendermintRound {
  readonly proposals: TendermintProposal[] = [];
  readonly prevotes: Tally;
  readonly precommits: Tally;
  hasPrevoteTimer = false;
  hasPrecommitTimer = false;
  /** Blocks for which rule 5 has fired in this round. */
  readonly polkas = new Set<string>();

  constructor(committee: Committee) {
    this.prevotes = new Tally(committee);
    this.precommits = new Tally(committee);
  }

  addProposal(proposal: TendermintProposal): boolean {
    const isNew = !this.proposals.some(
      ({ block, validRound }) =>
        block.id === proposal.block.id && validRound === proposal.validRound,
    );
    if (isNew && this.proposals.length < PROPOSALS_KEPT) this.proposals.push(proposal);
    return isNew;
  }

  /** The block of a proposal of this round. */
  blockOf(blockId: string): Block | undefined {
    return this.proposals.find(({ block }) => block.id === blockId)?.block;
  }

  /** Validators from whom any message of this round came. */
  get senders(): Set<number> {
    return new Set([
      ...this.proposals.map(({ proposer }) => proposer),
      ...this.prevotes.voters,
      ...this.precommits.voters,
    ]);
  }
}
