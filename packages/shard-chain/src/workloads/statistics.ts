import type { Address } from "../ledger/address.ts";
import { modulo } from "../placement/modulo.ts";
import type { Placement } from "../placement/placement.ts";

/** What the statistics look at: a recorded or a generated transaction. */
export interface Touches {
  /** Block, or stretch of the workload, within which conflicts count. */
  readonly block: number;
  /** The accounts it touches, each once; sender first. */
  readonly accounts: readonly Address[];
  readonly isCall: boolean;
  readonly inputBytes: number;
}

/** Shard counts for which the cross-shard ratio is told. */
export const CROSS_RATIO_SHARDS = [2, 4, 8, 16, 32, 64] as const;

/** Who touches what how often: the figures that a generator has to meet. */
export interface WorkloadStatistics {
  readonly transactions: number;
  readonly accounts: number;
  /** Share of transactions that run no contract. */
  readonly plainShare: number;
  /** Share of the transactions that the most touched account takes part in. */
  readonly topAccountShare: number;
  /** Touches of the 10 and of the 100 most touched accounts, a transaction. */
  readonly top10TouchesPerTx: number;
  readonly top100TouchesPerTx: number;
  /** Share of all touches on the most touched hundredth of the accounts. */
  readonly topPercentTouchShare: number;
  /** Slope of ln(touches) over ln(rank), least squares, ranks 1 to 2000. */
  readonly zipfSlope: number;
  /** Share of transactions that share an account with another of their block. */
  readonly conflictShare: number;
  /** Longest chain of transactions of a block that conflict one after the other, as a share of
   *  the block; mean over blocks, weighted by their transactions. */
  readonly chainShare: number;
  readonly inputBytesMean: number;
  /** Share of transactions that touch several shards, by number of shards, modulo placement. */
  readonly crossRatio: Readonly<Record<number, number>>;
}

/** Measures a list of transactions. O(touches), and O(accounts log accounts) for the ranks. */
export function measureStatistics(transactions: readonly Touches[]): WorkloadStatistics {
  const touches = new Map<Address, number>();
  for (const { accounts } of transactions) {
    for (const account of accounts) touches.set(account, (touches.get(account) ?? 0) + 1);
  }
  const ranked = [...touches.values()].sort((one, other) => other - one);
  const count = transactions.length;
  const all = sum(ranked);
  const perTx = (top: number) => sum(ranked.slice(0, top)) / count;
  const inBlocks = measureBlocks(transactions);
  return {
    transactions: count,
    accounts: ranked.length,
    plainShare: transactions.filter(({ isCall }) => !isCall).length / count,
    topAccountShare: perTx(1),
    top10TouchesPerTx: perTx(10),
    top100TouchesPerTx: perTx(100),
    topPercentTouchShare: sum(ranked.slice(0, Math.round(ranked.length / 100))) / all,
    zipfSlope: slopeOf(ranked.slice(0, 2000)),
    conflictShare: inBlocks.conflicting / count,
    chainShare: inBlocks.chained / count,
    inputBytesMean: sum(transactions.map(({ inputBytes }) => inputBytes)) / count,
    crossRatio: Object.fromEntries(
      CROSS_RATIO_SHARDS.map((shards) => [shards, crossRatioOf(transactions, modulo(shards))]),
    ),
  };
}

/** Share of the transactions that touch accounts of two shards or more. */
export function crossRatioOf(transactions: readonly Touches[], placement: Placement): number {
  const crossing = transactions.filter(({ accounts }) => {
    const shards = accounts.map((account) => placement.shardOf(account));
    return shards.some((shard) => shard !== shards[0]);
  });
  return crossing.length / transactions.length;
}

function measureBlocks(transactions: readonly Touches[]): { conflicting: number; chained: number } {
  const blocks = new Map<number, Touches[]>();
  for (const transaction of transactions) {
    const block = blocks.get(transaction.block);
    if (block === undefined) blocks.set(transaction.block, [transaction]);
    else block.push(transaction);
  }
  let conflicting = 0;
  let chained = 0;
  for (const block of blocks.values()) {
    const uses = new Map<Address, number>();
    const chainTo = new Map<Address, number>();
    let longest = 0;
    for (const { accounts } of block) {
      for (const account of accounts) uses.set(account, (uses.get(account) ?? 0) + 1);
      const length = 1 + Math.max(...accounts.map((account) => chainTo.get(account) ?? 0));
      for (const account of accounts) chainTo.set(account, length);
      longest = Math.max(longest, length);
    }
    chained += longest;
    conflicting += block.filter(({ accounts }) =>
      accounts.some((account) => (uses.get(account) ?? 0) > 1),
    ).length;
  }
  return { conflicting, chained };
}

function slopeOf(ranked: readonly number[]): number {
  const xs = ranked.map((_, i) => Math.log(i + 1));
  const ys = ranked.map((count) => Math.log(count));
  const xMean = sum(xs) / xs.length;
  const yMean = sum(ys) / ys.length;
  const covariance = sum(xs.map((x, i) => (x - xMean) * ((ys[i] as number) - yMean)));
  return covariance / sum(xs.map((x) => (x - xMean) ** 2));
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
