import type { RunContext } from "@fmlab/experiment";
import { createPrng } from "@fmlab/sim";
import type { ThroughputConfig } from "../definitions/throughput.ts";
import { modulo } from "../placement/modulo.ts";
import { burstArrivals, poissonArrivals, replayArrivals } from "../workloads/arrivals.ts";
import { withCrossShare } from "../workloads/cross-share.ts";
import { readDataset } from "../workloads/dataset.ts";
import { generatedWorkload } from "../workloads/generated-workload.ts";
import { fittedOptions } from "../workloads/generator-options.ts";
import type { RecordedTransaction } from "../workloads/recorded-transaction.ts";
import { recordedWorkload } from "../workloads/recorded-workload.ts";
import { smallBank } from "../workloads/smallbank.ts";
import { swaps } from "../workloads/swaps.ts";
import type { Workload } from "../workloads/workload.ts";
import { ycsb } from "../workloads/ycsb.ts";

/** A workload, and when its transactions are due. */
export interface TimedWorkload {
  readonly workload: Workload;
  /** Moments of arrival, ms; taken once. */
  readonly arrivals: Iterator<number>;
}

/** What arrivals are made of. */
export interface ArrivalDials {
  readonly tps: number;
  readonly arrivals: ThroughputConfig["arrivals"];
  readonly replaySpeed: number;
}

/** The part of a config that says what clients send. */
export type WorkloadDials = Pick<
  ThroughputConfig,
  "workload" | "dataset" | "transactions" | "generator" | "accounts" | "skew" | "shards"
>;

/**
 * Reads or sets up what clients send.
 *
 * @throws ExperimentError `MISSING_FILE` | `FORBIDDEN_PATH`
 * @throws ShardChainError `BAD_DATASET` | `UNREADABLE` | `BAD_SETTING`
 */
export async function readWorkload(
  ctx: Pick<RunContext, "seed" | "resolveFile">,
  config: WorkloadDials,
): Promise<{ workload: Workload; timesS: readonly number[] }> {
  if (config.dataset === "") return { workload: createWorkload(config, ctx.seed), timesS: [] };
  const path = await ctx.resolveFile(config.dataset);
  const records: RecordedTransaction[] = [];
  for await (const record of readDataset(path)) {
    if (records.length === config.transactions) break;
    records.push(record);
  }
  const workload = recordedWorkload(records, { source: config.dataset });
  return { workload, timesS: records.map(({ timestampS }) => timestampS) };
}

/** When transactions are due; replaying needs recorded times, else it is Poisson too. */
export function createArrivals(
  { tps, arrivals, replaySpeed }: ArrivalDials,
  timesS: readonly number[],
  seed: number,
): Iterator<number> {
  const prng = createPrng(seed, "arrivals");
  if (arrivals === "replay" && timesS.length > 0) {
    return replayArrivals(timesS, { speed: replaySpeed });
  }
  if (arrivals !== "burst") return poissonArrivals(prng, tps);
  // Chosen: bursts of 2 s, a tenth of the time, five times the mean.
  const burst = { peakFactor: 5, burstShare: 0.1, burstMs: 2_000 };
  return burstArrivals(prng, { ratePerSecond: tps, ...burst });
}

function createWorkload(config: WorkloadDials, seed: number): Workload {
  const { transactions, accounts, skew, generator } = config;
  switch (config.workload) {
    case "generated": {
      const { contractsPerCall, crossShardShare, ...dials } = generator;
      const options = { ...fittedOptions(transactions), ...dials };
      const generated = generatedWorkload({ ...options, accountsPerCall: contractsPerCall }, seed);
      if (crossShardShare < 0) return generated;
      const placement = modulo(config.shards);
      return withCrossShare(generated, { placement, share: crossShardShare, seed });
    }
    case "smallbank":
      return smallBank({ transactions, customers: accounts, zipfExponent: skew }, seed);
    case "ycsb":
      return ycsb({ ...YCSB_A, transactions, records: accounts, zipfExponent: skew }, seed);
    case "swaps":
      return swaps({ ...SWAPS, transactions, traders: accounts }, seed);
  }
}

/** YCSB's workload A, with four records a transaction so that transactions cross shards. */
const YCSB_A = { clients: 200, recordsPerTransaction: 4, writeShare: 0.5 };

/** Chosen: trades of up to a thousandth of a pool, with a slippage of 1 %. */
const SWAPS = {
  exchanges: 4,
  reserve: 10n ** 15n,
  largestTradeShare: 0.001,
  slippagePercent: 1,
};
