import { type Address, addressOf, type ShardId } from "../ledger/address.ts";
import { makeTransaction } from "../ledger/make-transaction.ts";
import type { Transaction } from "../ledger/transaction.ts";
import type { Placement } from "../placement/placement.ts";
import type { Workload } from "./workload.ts";

/** Calls of one contract from another shard, among other transactions. */
export interface VictimOptions {
  readonly background: Workload;
  readonly backgroundTransactions: number;
  readonly victims: number;
  readonly target: Address;
  /** Senders of the calls. */
  readonly senders: readonly Address[];
  /** Accounts that an adversary may use; they begin with the fee for one transaction each. */
  readonly attackers: readonly Address[];
  readonly feeWei: bigint;
}

/** The background's transactions with the victims' calls spread evenly among them. */
export function victimWorkload(options: VictimOptions): Workload {
  const { background, senders, attackers, feeWei } = options;
  return {
    name: `${background.name} with victims`,
    remarks: [...background.remarks, "victims and attackers call a stand-in on one account"],
    *genesis() {
      yield* background.genesis();
      for (const address of senders) yield { address, balance: 100n * feeWei };
      for (const address of attackers) yield { address, balance: 100n * feeWei };
    },
    *transactions() {
      const every = Math.max(1, Math.floor(options.backgroundTransactions / options.victims));
      let sent = 0;
      let count = 0;
      for (const transaction of background.transactions()) {
        yield transaction;
        if (++count % every === 0 && sent < options.victims) yield victim(options, sent++);
      }
      while (sent < options.victims) yield victim(options, sent++);
    },
  };
}

/** Addresses that live on one shard, named by a label. */
export function addressesOn(
  placement: Placement,
  shard: ShardId,
  label: string,
  count: number,
): Address[] {
  const found: Address[] = [];
  for (let i = 0; found.length < count; i++) {
    const address = addressOf(`${label} ${i}`);
    if (placement.shardOf(address) === shard) found.push(address);
  }
  return found;
}

function victim({ senders, target, feeWei }: VictimOptions, index: number): Transaction {
  const sender = senders[index] as Address;
  return makeTransaction({
    kind: "standIn",
    sender,
    nonce: 0,
    fee: feeWei,
    steps: [
      { op: "mix", address: sender },
      { op: "mix", address: target },
    ],
    paddingBytes: 0,
  });
}
