import { ShardChainError } from "../errors.ts";
import type { Placement } from "./placement.ts";

/**
 * The placement of BlockEmulator: the last 8 hex digits of the address, modulo the shards. It knows
 * nothing of who deals with whom, so about 1 - 1/S of all transfers cross shards.
 *
 * @throws ShardChainError `BAD_SETTING`
 * @see HuangLab-SYSU/block-emulator, Addr2Shard
 */
export function modulo(shardCount: number): Placement {
  return {
    shardCount: checkShardCount(shardCount),
    shardOf: (address) => Number.parseInt(address.slice(-8), 16) % shardCount,
  };
}

/** @throws ShardChainError `BAD_SETTING` */
export function checkShardCount(shardCount: number): number {
  if (Number.isInteger(shardCount) && shardCount >= 1) return shardCount;
  throw new ShardChainError(`shards must be a whole number of 1 or more, got ${shardCount}`, {
    code: "BAD_SETTING",
    setting: "shards",
    value: shardCount,
    expected: "a whole number of 1 or more",
  });
}
