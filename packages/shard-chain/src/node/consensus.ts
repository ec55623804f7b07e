import type { CommitProof } from "./block.ts";

/** Names of the consensus protocols. */
export const CONSENSUS_NAMES = ["tendermint", "hotstuff", "pbft"] as const;

/** One of the consensus protocols. */
export type ConsensusName = (typeof CONSENSUS_NAMES)[number];

/** What a consensus needs of the node it is part of: a `Host`, seen by committee index. */
export interface ConsensusLink<Message> {
  /** This node's index in the committee. */
  readonly self: number;
  nowMs(): number;
  /** To one validator; to itself too. */
  send(to: number, message: Message): void;
  /** To every other validator of the committee. */
  broadcast(message: Message): void;
  setTimer(delayMs: number, fire: () => void): ConsensusTimer;
  cancelTimer(timer: ConsensusTimer): void;
  charge(operation: string, count?: number): void;
}

/** A timer of a consensus. */
export interface ConsensusTimer {
  readonly atMs: number;
}

/**
 * One validator's part in the consensus on one chain: a deterministic state machine. Messages and
 * timers go in; messages, timers and commits (`Application.deliver`) come out within the call.
 */
export interface Consensus<Message> {
  /** Begins with the height after the last committed one. Called once. */
  start(): void;
  /** Takes any message, also a hostile one; what is invalid has no effect. */
  onMessage(from: number, message: Message): void;
  /** Height of the last block delivered; 0 before the first. */
  readonly committedHeight: number;
  /** The proof of the last delivered block; undefined before the first. */
  readonly lastProof: CommitProof | undefined;
}
