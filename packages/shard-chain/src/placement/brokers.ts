import { ShardChainError } from "../errors.ts";
import type { Address } from "../ledger/address.ts";

/**
 * Brokers of BrokerChain: accounts with a share of their balance on every shard, over whom a
 * transfer between shards is split into one on either side.
 */
export interface BrokerSet {
  /** By falling activity. */
  readonly brokers: readonly Address[];
  isBroker(address: Address): boolean;
  /** The broker for a transfer, the same for everybody who asks. */
  brokerFor(txId: string): Address;
}

/**
 * A broker set of given accounts.
 *
 * @throws ShardChainError `BAD_SETTING` for an empty set
 */
export function brokerSet(brokers: readonly Address[]): BrokerSet {
  const members = new Set(brokers);
  if (members.size === 0) {
    throw new ShardChainError("a broker protocol needs at least one broker", {
      code: "BAD_SETTING",
      setting: "brokers",
      value: 0,
      expected: "one account or more",
    });
  }
  const list = [...members];
  return {
    brokers: list,
    isBroker: (address) => members.has(address),
    // Ids are hashes: their first 48 bits are as good as a draw.
    brokerFor: (txId) => list[Number.parseInt(txId.slice(0, 12), 16) % list.length] as Address,
  };
}

/**
 * The accounts that take part in the most transfers, of equals the lower address.
 *
 * @param accounts of each transaction, each once
 */
export function mostActive(accounts: Iterable<readonly Address[]>, count: number): Address[] {
  const uses = new Map<Address, number>();
  for (const some of accounts) {
    for (const account of some) uses.set(account, (uses.get(account) ?? 0) + 1);
  }
  return [...uses]
    .sort(([one, usesOne], [other, usesOther]) => usesOther - usesOne || (one < other ? -1 : 1))
    .slice(0, count)
    .map(([address]) => address);
}
