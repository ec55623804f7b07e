import type { SignatureScheme, Signer } from "../crypto/signatures.ts";
import type { Application } from "../node/application.ts";
import type { CommittedBlock, Vote } from "../node/block.ts";
import type { Committee } from "../node/committee.ts";
import type { ConsensusLink } from "../node/consensus.ts";

/** Time-outs of a consensus, ms. */
export interface ConsensusTiming {
  /** How long a validator waits for a proposal; HotStuff and PBFT: for a whole view. */
  readonly proposeMs: number;
  /** How long it waits for more votes once it has votes of two thirds. Tendermint only. */
  readonly voteMs: number;
  /**
   * Added for each failed round (Tendermint) or view without progress (HotStuff); PBFT doubles
   * `proposeMs` instead.
   */
  readonly growthMs: number;
  /** Pause after a block; with it a leader sets the pace of an idle chain. */
  readonly pauseMs: number;
  /** Without progress for so long a validator sends its last messages again and asks for blocks. */
  readonly resendMs: number;
}

/** Time-outs of Tendermint 0.35, as in the genesis file of the Haechi artifact. */
export const TENDERMINT_TIMING: ConsensusTiming = {
  proposeMs: 3_000,
  voteMs: 1_000,
  growthMs: 500,
  pauseMs: 1_000,
  resendMs: 5_000,
};

/** Final blocks of one node, oldest first; what late validators are served from. */
export interface CommitLog {
  /** Height of the last block, 0 when empty. */
  readonly lastHeight: number;
  /** Undefined for blocks it never had or has let go. */
  get(height: number): CommittedBlock | undefined;
  /** Durable before it returns, where the node is to survive a crash. */
  append(committed: CommittedBlock): void;
}

/** Where a validator keeps what it must not forget: after a crash it must not vote anew. */
export interface SafetyStore<State> {
  load(): State | undefined;
  /** Durable before it returns, where the node is to survive a crash. */
  save(state: State): void;
}

/** Sees every signed statement that a validator has accepted; for accountability. */
export interface StatementObserver {
  onVote?(vote: Vote): void;
  /** Two votes of one validator that no correct validator signs both. */
  onDoubleVote?(first: Vote, second: Vote): void;
}

/** What every consensus is made of. */
export interface ConsensusParts<Message> {
  readonly committee: Committee;
  readonly link: ConsensusLink<Message>;
  readonly application: Application;
  readonly signer: Signer;
  readonly scheme: SignatureScheme;
  readonly timing: ConsensusTiming;
  /** Default: in memory. */
  readonly commits?: CommitLog;
  /** Default: in memory, so that a restarted validator has forgotten. */
  readonly store?: SafetyStore<unknown>;
  readonly observer?: StatementObserver;
}

/** A commit log in memory. */
export class MemoryCommitLog implements CommitLog {
  readonly #blocks = new Map<number, CommittedBlock>();
  readonly #keep: number;
  #lastHeight = 0;

  /** @param keep how many blocks to keep; older ones are let go */
  constructor(keep = Number.POSITIVE_INFINITY) {
    this.#keep = keep;
  }

  get lastHeight(): number {
    return this.#lastHeight;
  }

  get(height: number): CommittedBlock | undefined {
    return this.#blocks.get(height);
  }

  append(committed: CommittedBlock): void {
    this.#lastHeight = committed.block.header.height;
    this.#blocks.set(this.#lastHeight, committed);
    this.#blocks.delete(this.#lastHeight - this.#keep);
  }
}
