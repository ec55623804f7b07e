import { ShardChainError } from "../errors.ts";
import type { Placement } from "../placement/placement.ts";
import type { Address } from "./address.ts";
import { LedgerState, storeIn } from "./state.ts";
import { accountKey, codeKey, EMPTY_ACCOUNT } from "./state-value.ts";

/** What an account begins with. */
export interface GenesisAccount {
  readonly address: Address;
  /** Wei. */
  readonly balance: bigint;
  /** Code of a contract. */
  readonly code?: Uint8Array;
  /** Storage of a contract: slot and word. */
  readonly storage?: Iterable<readonly [slot: bigint, word: bigint]>;
}

/**
 * First states of all shards: each account with all it has on its own shard, but for segmented
 * ones (brokers), whose balance is shared out evenly over all shards, the rest to their own.
 *
 * @throws ShardChainError `CONFLICT` when an address comes twice
 */
export function genesisStates(
  accounts: Iterable<GenesisAccount>,
  { shardCount, shardOf }: Placement,
  segmented: ReadonlySet<Address> = new Set(),
): LedgerState[] {
  const drafts = Array.from({ length: shardCount }, () => new LedgerState().draft());
  for (const account of accounts) {
    const { address, code, storage } = account;
    const home = shardOf(address);
    const share = segmented.has(address) ? account.balance / BigInt(shardCount) : 0n;
    drafts.forEach((draft, shard) => {
      if (share === 0n || shard === home) return;
      draft.set(accountKey(address), { ...EMPTY_ACCOUNT, balance: share });
    });
    const balance = account.balance - share * BigInt(shardCount - 1);
    const draft = drafts[home];
    const key = accountKey(address);
    if (draft === undefined || draft.get(key) !== undefined) {
      throw new ShardChainError(`genesis gives ${address} twice, or to a shard that is not there`, {
        code: "CONFLICT",
        what: "genesis account",
        name: address,
      });
    }
    draft.set(key, { ...EMPTY_ACCOUNT, balance });
    if (code !== undefined) draft.set(codeKey(address), { kind: "bytes", bytes: code });
    for (const [slot, word] of storage ?? []) storeIn(draft, address, slot, word);
  }
  return drafts.map((draft) => draft.commit());
}
