import { hash } from "node:crypto";
import { ShardChainError } from "../errors.ts";

/** An account's address: `0x` and 40 lower-case hex digits (20 bytes), as in Ethereum. */
export type Address = `0x${string}`;

/** A shard's number, 0 to the number of shards - 1. */
export type ShardId = number;

const ADDRESS = /^0x[0-9a-f]{40}$/;

/**
 * Reads an address; capitals (checksummed addresses) are taken and lowered.
 *
 * @throws ShardChainError `BAD_BYTES`
 */
export function parseAddress(text: string): Address {
  const lower = text.toLowerCase();
  if (!ADDRESS.test(lower)) {
    throw new ShardChainError(
      `"${text.slice(0, 80)}" is no address: expected 0x and 40 hexadecimal digits`,
      { code: "BAD_BYTES", what: "address", problem: "not 0x and 40 hexadecimal digits" },
    );
  }
  return lower as Address;
}

/** The address that belongs to a label: the first 20 bytes of its SHA-256. */
export function addressOf(label: string): Address {
  return `0x${hash("sha256", label, "hex").slice(0, 40)}`;
}
