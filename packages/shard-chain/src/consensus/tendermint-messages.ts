import type { Block, Certificate, Vote } from "../node/block.ts";
import type { BlocksMessage, StatusMessage } from "./chain.ts";

/** PROPOSAL(height, round, block, validRound), signed by the proposer of the round. */
export interface TendermintProposal {
  readonly type: "proposal";
  readonly height: number;
  readonly round: number;
  readonly block: Block;
  /** Round in which the proposer saw two thirds of prevotes for the block; -1 for none. */
  readonly validRound: number;
  /** Those prevotes, so that receivers need not have seen them; undefined for -1. */
  readonly prevotes: Certificate | undefined;
  readonly proposer: number;
  readonly signature: Uint8Array;
}

/** A prevote or precommit. */
export interface VoteMessage {
  readonly type: "vote";
  readonly vote: Vote;
}

/**
 * A block with two thirds of prevotes, sent to all at the start of a later round. Stands in for the
 * gossip of the paper's model, by which votes that one correct validator has reach all of them.
 */
export interface PolkaMessage {
  readonly type: "polka";
  readonly block: Block;
  readonly prevotes: Certificate;
}

/** What Tendermint validators send each other. */
export type TendermintMessage =
  | TendermintProposal
  | VoteMessage
  | PolkaMessage
  | StatusMessage
  | BlocksMessage;
