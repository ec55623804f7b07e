import type { Address } from "../ledger/address.ts";
import type { Transaction, TransactionId } from "../ledger/transaction.ts";
import type { ParkingLot } from "./admission.ts";
import type { ChainContext } from "./chain-context.ts";
import type {
  AdmittedItem,
  OutcomeData,
  Refusal,
  RoundData,
  RoundItem,
  VoteData,
} from "./prophet-data.ts";
import { type TentativeState, tentativeState } from "./prophet-tentative.ts";

/** A transaction that is admitted, that no round holds, and that this shard has to lead. */
export interface Waiting {
  readonly transaction: Transaction;
  /** How often it has been tried. */
  readonly attempt: number;
  /** Since when, ms of agreed time. */
  readonly sinceMs: number;
}

/** A round that a shard has executed and that is not final. */
interface Round {
  readonly items: readonly RoundItem[];
  /** By now, of how many shards it has votes; and all refusals so far. */
  readonly votes: number;
  readonly refusals: readonly Refusal[];
}

/** What Prophet keeps for a shard. */
export interface ShardState extends TentativeState {
  readonly isSequence: false;
  /** Transactions in flight that touch this shard. */
  readonly bodies: Map<TransactionId, Transaction>;
  /** Those of them that a coalition led from here should take, the oldest first. */
  readonly waiting: Map<TransactionId, Waiting>;
  /** How often those of them have been tried that were tried before. */
  readonly attempts: Map<TransactionId, number>;
  /** How many transactions in flight touch an account of this shard. */
  readonly inFlight: Map<Address, number>;
  /** Height of the newest change of accounts in flight. */
  readonly changedAt: Map<Address, number>;
  readonly parked: ParkingLot<Transaction>;
  /** Senders of a transaction whose fee they could not pay: later nonces can never be admitted. */
  readonly gapped: Set<Address>;
  /** Of this block, for the sequence. */
  readonly admitted: AdmittedItem[];
  /** What has come of a round whose last piece has not. */
  readonly pieces: RoundItem[];
  /** Rounds that came and are not executed, in order. */
  readonly arrived: RoundData[];
  readonly rounds: Map<number, Round>;
  /** Votes of other shards on rounds that were not executed here when they came. */
  readonly early: Map<number, readonly VoteData[]>;
  readonly outcomes: Map<number, OutcomeData>;
  /** `round/id` of what was taken back in rounds that are not final. */
  readonly doomed: Set<string>;
  /** The last round that is executed here. */
  lastRound: number;
  /** The last round after which something was taken back. */
  lastUndone: number;
  /** The first round that is not final. */
  nextFinal: number;
}

/** First state of a shard. */
export function shardState(): ShardState {
  return {
    ...tentativeState(),
    isSequence: false,
    bodies: new Map(),
    waiting: new Map(),
    attempts: new Map(),
    inFlight: new Map(),
    changedAt: new Map(),
    parked: new Map(),
    gapped: new Set(),
    admitted: [],
    pieces: [],
    arrived: [],
    rounds: new Map(),
    early: new Map(),
    outcomes: new Map(),
    doomed: new Set(),
    lastRound: 0,
    lastUndone: 0,
    nextFinal: 1,
  };
}

/** A block of a shard, as Prophet sees it. */
export type ShardContext = ChainContext<ShardState>;

/** Accounts of this shard that its steps touch. */
export function ownAccounts(
  { chain, topology }: ShardContext,
  { steps }: Transaction,
): Set<Address> {
  const own = new Set<Address>();
  for (const { address } of steps) {
    if (topology.placement.shardOf(address) === chain.id) own.add(address);
  }
  return own;
}
