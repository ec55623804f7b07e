import { createPrng } from "@fmlab/sim";
import { type Address, addressOf, type ShardId } from "../ledger/address.ts";
import { makeTransaction } from "../ledger/make-transaction.ts";
import type { Step, Transaction } from "../ledger/transaction.ts";
import type { Placement } from "../placement/placement.ts";
import type { Workload } from "./workload.ts";

/**
 * A workload in which a given share of the transactions goes over several shards, as experiments
 * with a set cross-shard ratio have it. Whom a sender deals with is replaced by a counterpart that
 * lives on the right shard: one account becomes up to one a shard, so that it is also busy with
 * fewer transactions. A transaction on its sender's account alone stays as it is.
 *
 * For workloads in which only senders pay: counterparts begin with nothing.
 *
 * @param share 0..1
 */
export function withCrossShare(
  workload: Workload,
  { placement, share, seed }: { placement: Placement; share: number; seed: number },
): Workload {
  const counterparts = new Counterparts(placement);
  return {
    name: workload.name,
    remarks: [
      ...workload.remarks,
      `${100 * share} % of the transactions are made to go over several shards`,
    ],
    genesis: () => workload.genesis(),
    *transactions() {
      const prng = createPrng(seed, "cross-shard share");
      for (const transaction of workload.transactions()) {
        const isWanted = placement.shardCount > 1 && prng.chance(share);
        const step = 1 + prng.nextInt(Math.max(1, placement.shardCount - 1));
        const home = placement.shardOf(transaction.sender);
        const away = isWanted ? (home + step) % placement.shardCount : home;
        yield moved(transaction, placement, counterparts, away);
      }
    },
  };
}

/** The transaction with what it touches on its sender's shard, or some of it on `away`. */
function moved(
  transaction: Transaction,
  placement: Placement,
  counterparts: Counterparts,
  away: ShardId,
): Transaction {
  const { sender, steps } = transaction;
  const home = placement.shardOf(sender);
  const others = new Set(steps.map(({ address }) => address).filter((one) => one !== sender));
  const isCross = [...others].some((address) => placement.shardOf(address) !== home);
  if (isCross === (away !== home)) return transaction;
  // Going away takes one; staying takes all of them.
  const [first] = others;
  const isMoved = (address: Address) => others.has(address) && (away === home || address === first);
  const place = (step: Step): Step =>
    isMoved(step.address) ? { ...step, address: counterparts.on(away, step.address) } : step;
  return makeTransaction({ ...transaction, steps: steps.map(place) });
}

/** Accounts that stand for others on a given shard. */
class Counterparts {
  readonly #placement: Placement;
  readonly #known = new Map<string, Address>();

  constructor(placement: Placement) {
    this.#placement = placement;
  }

  on(shard: ShardId, address: Address): Address {
    if (this.#placement.shardOf(address) === shard) return address;
    const key = `${address} on ${shard}`;
    let found = this.#known.get(key);
    for (let i = 0; found === undefined; i++) {
      const candidate = addressOf(`${key}, ${i}`);
      if (this.#placement.shardOf(candidate) === shard) found = candidate;
    }
    this.#known.set(key, found);
    return found;
  }
}
