import type { TransactionId } from "../ledger/transaction.ts";
import type { NodeId } from "../node/host.ts";
import type { ChainId } from "./chain.ts";
import type { ChainContext } from "./chain-context.ts";
import type { Claim, Proof, VoteData } from "./prophet-data.ts";

/** What the sequence knows of an admitted transaction that has not ended. */
export interface Admitted {
  /** The sender's first. */
  readonly shards: readonly ChainId[];
  readonly accounts: readonly string[];
  readonly attempt: number;
  /** Attempts that a verification refused; the others came too late, or fell with another. */
  readonly verified: number;
  readonly isOrdered: boolean;
}

/** A snapshot that a claim is made from, and who vouches for it. */
interface SnapshotRead {
  readonly height: number;
  readonly member: NodeId;
  /** The last round that is executed in it, and the last after which some was taken back. */
  readonly round: number;
  readonly undone: number;
}

/** Where a claim comes from. */
export interface Origin {
  readonly noteId: string;
  readonly leader: NodeId;
  readonly number: number;
  /** By shard. */
  readonly read: ReadonlyMap<ChainId, SnapshotRead>;
}

/** A node that has signed what is proven wrong; see `prophet-choices.ts`, 9. */
export interface Culprit {
  /** Transactions about which it did. */
  readonly lies: number;
  /** The newest note that convicts it; its signature is under it. */
  readonly noteId: string;
  readonly proof: Exclude<Proof, "">;
}

/** A transaction that may be ordered. */
export interface Candidate {
  readonly claim: Claim;
  readonly origin: Origin;
}

/** A transaction in a round. */
export interface Ordered extends Candidate {
  readonly shards: readonly ChainId[];
  readonly accounts: readonly string[];
}

/** A round that is not final. */
export interface SequencedRound {
  readonly items: readonly Ordered[];
  readonly votes: readonly (VoteData & { readonly shard: ChainId })[];
}

/** A value that an account will have. */
interface PredictedValue {
  readonly value: bigint;
  readonly round: number;
}

/** What Prophet keeps for the sequence: no account, no balance. */
export interface SequenceState {
  readonly isSequence: true;
  readonly admitted: Map<TransactionId, Admitted>;
  /** Claims about transactions whose home has not told of them yet. */
  readonly early: Map<TransactionId, Candidate>;
  readonly candidates: Map<TransactionId, Candidate>;
  readonly rounds: Map<number, SequencedRound>;
  /** Newest predicted values, and the rounds of the transactions that write them. */
  readonly predicted: Map<string, PredictedValue>;
  /** The last round after which something that wrote the account was taken back. */
  readonly spoiled: Map<string, number>;
  readonly culprits: Map<NodeId, Culprit>;
  nextRound: number;
  nextFinal: number;
}

/** First state of the sequence. */
export function sequenceState(): SequenceState {
  return {
    isSequence: true,
    admitted: new Map(),
    early: new Map(),
    candidates: new Map(),
    rounds: new Map(),
    predicted: new Map(),
    spoiled: new Map(),
    culprits: new Map(),
    nextRound: 1,
    nextFinal: 1,
  };
}

/** A block of the sequence, as Prophet sees it. */
export type SequenceContext = ChainContext<SequenceState>;
