import type { Placement } from "../placement/placement.ts";
import type { Address, ShardId } from "./address.ts";
import { type AccessSet, isRead, type Transaction } from "./transaction.ts";

/** A run of steps on accounts of one shard: what that shard does before it hands on the carry. */
export interface Hop {
  readonly shard: ShardId;
  /** First step, as an index in `transaction.steps`. */
  readonly from: number;
  /** Step after the last. */
  readonly to: number;
}

/**
 * The way of a transaction through the shards, in the order of its steps. The first hop is always
 * on the sender's shard, which admits it (its range is empty when the first step is elsewhere);
 * a shard may be visited more than once.
 */
export function hopsOf({ sender, steps }: Transaction, placement: Placement): Hop[] {
  const hops: Hop[] = [];
  let shard = placement.shardOf(sender);
  let from = 0;
  steps.forEach(({ address }, i) => {
    const home = placement.shardOf(address);
    if (home === shard) return;
    hops.push({ shard, from, to: i });
    shard = home;
    from = i;
  });
  hops.push({ shard, from, to: steps.length });
  return hops;
}

/** Every shard that a transaction touches, the sender's first, each once. */
export function shardsOf(transaction: Transaction, placement: Placement): ShardId[] {
  return [...new Set(hopsOf(transaction, placement).map(({ shard }) => shard))];
}

/** What of a transaction's accesses lies on one shard. */
export function accessOnShard(
  { sender, steps }: Transaction,
  placement: Placement,
  shard: ShardId,
): AccessSet {
  const writes = new Set<Address>(placement.shardOf(sender) === shard ? [sender] : []);
  const reads = new Set<Address>();
  for (const step of steps) {
    if (placement.shardOf(step.address) === shard)
      (isRead(step) ? reads : writes).add(step.address);
  }
  for (const address of writes) reads.delete(address);
  return { reads: [...reads], writes: [...writes] };
}
