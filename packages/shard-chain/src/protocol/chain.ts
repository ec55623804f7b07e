import type { Address } from "../ledger/address.ts";
import type { Transaction } from "../ledger/transaction.ts";
import type { Placement } from "../placement/placement.ts";

/**
 * Number of a chain. Shards come first (0 to shards - 1: a shard's number is its chain's), then the
 * committees that a protocol adds.
 */
export type ChainId = number;

/** A chain of the deployment, as everybody knows it. */
export interface ChainInfo {
  readonly id: ChainId;
  /** `shard-3`, or the name that the protocol gave its committee. */
  readonly name: string;
  readonly isShard: boolean;
  readonly validators: number;
}

/** A committee that a protocol adds to the shards: a reference committee, a beacon, a sequencer. */
export interface CommitteeSpec {
  readonly name: string;
  /** Undefined: as many as a shard has. */
  readonly validators?: number;
}

/** Who owns what and who there is: the same for everybody, all through a run. */
export interface Topology {
  readonly shards: number;
  readonly chains: readonly ChainInfo[];
  readonly placement: Placement;
  /** Accounts with a share of their balance on every shard (brokers); most often empty. */
  readonly segmented: ReadonlySet<Address>;
}

/** The shard that admits a transaction: its sender's. */
export function homeOf({ sender }: Transaction, { placement }: Topology): ChainId {
  return placement.shardOf(sender);
}
