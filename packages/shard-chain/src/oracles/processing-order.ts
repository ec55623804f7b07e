import type { ShardId } from "../ledger/address.ts";

/** Where a transaction was processed: the block that first took it in, and its place there. */
export interface ProcessedPlace {
  /** The block's agreed time: the median of its voters' clocks, ms. */
  readonly timestampMs: number;
  readonly shard: ShardId;
  readonly height: number;
  /** Position in the block. */
  readonly index: number;
}

/**
 * The processing order, which finalisation fairness compares execution with: agreed time, then
 * shard, height and index. One function for the protocols that order by it and for the oracle that
 * checks them. Negative when `one` comes first; 0 only for the same place.
 *
 * The height stands before the index because two blocks of a shard can bear the same time: the
 * reference implementation of Haechi, which leaves the height out, mixes such blocks.
 */
export function compareProcessed(one: ProcessedPlace, other: ProcessedPlace): number {
  return (
    one.timestampMs - other.timestampMs ||
    one.shard - other.shard ||
    one.height - other.height ||
    one.index - other.index
  );
}
