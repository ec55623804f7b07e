import type { Block, CommittedBlock, Payload } from "./block.ts";

/** Where in the chain a payload is to stand. */
export interface PayloadPlace {
  /** Height of the block that will hold it. */
  readonly height: number;
  /** Round or view of the proposal; the same height is asked for again when a round fails. */
  readonly round: number;
  /** The agreed time of that block; see `BlockHeader.timestampMs`. */
  readonly timestampMs: number;
  /** Index in the committee of the validator that makes (or made) the block. */
  readonly proposer: number;
  /**
   * Ancestors that are proposed but not committed yet, oldest first. Empty in Tendermint and PBFT;
   * in chained HotStuff the payload must be valid after these, and not repeat them.
   */
  readonly pending: readonly Block[];
}

/**
 * What a consensus asks of the state machine above it: one per node and chain.
 *
 * All three are called by the node's one thread and answer at once. `propose` and `validate` must
 * not change the state: a proposed block may never be committed.
 */
export interface Application {
  /** The payload this node wants at `place`. An idle chain makes empty payloads. */
  propose(place: PayloadPlace): Payload;
  /**
   * Whether the payload may stand at `place`: a function of the payload, the place and the blocks
   * delivered so far, so that every correct node answers alike.
   */
  validate(payload: Payload, place: PayloadPlace): boolean;
  /** A block is final. Called once a height, by rising height, without gaps. */
  deliver(committed: CommittedBlock): void;
}
