import type { Address, ShardId } from "../ledger/address.ts";

/** Says which shard owns an account. A function: equal addresses give equal shards. */
export interface Placement {
  readonly shardCount: number;
  shardOf(address: Address): ShardId;
}
