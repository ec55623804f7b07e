import type { RequiredFile } from "@fmlab/experiment";
import { z } from "zod";
import { CONSENSUS_NAMES } from "../node/consensus.ts";
import { PROTOCOL_NAMES } from "../protocol/names.ts";

/** A whole number in a form. */
export const wholeNumber = (min: number, max: number, preset: number) =>
  z.number().int().min(min).max(max).default(preset);

/** A number in a form. */
export const number = (min: number, max: number, preset: number) =>
  z.number().min(min).max(max).default(preset);

/** Workloads that are not read from a file. */
export const WORKLOAD_NAMES = ["generated", "smallbank", "ycsb", "swaps"] as const;

const generator = z
  .object({
    zipfExponent: number(0, 10, 3).describe("Skew among the accounts that everybody deals with."),
    headAccounts: wholeNumber(1, 100_000, 100).describe("How many such accounts there are."),
    callShare: number(0, 1, 0.53).describe("Share of contract calls outside bursts."),
    hotContractShare: number(0, 1, 0).describe("Share of these calls that go to one contract."),
    contractsPerCall: z
      .array(z.number().min(0))
      .min(1)
      .max(16)
      .default([1])
      .describe("Weights of calls that touch 1, 2, 3, ... contracts: more span more shards."),
    burstShare: number(0, 1, 0.5).describe("How much one account is in most transactions a while."),
    underfundedShare: number(0, 1, 0).describe("Share of the payers that lack half the money."),
    crossShardShare: number(-1, 1, -1).describe(
      "Share of transactions that go over several shards; below 0: as placement has it.",
    ),
  })
  .prefault({})
  .describe("Dials of the generator; the defaults fit measured Ethereum transactions.");

const network = z
  .object({
    regions: wholeNumber(1, 32, 1).describe("Regions that validators and clients are spread over."),
    rttWithinMs: number(0, 1000, 1).describe("Round trip within a region, ms."),
    rttBetweenMs: number(0, 2000, 80).describe("Round trip between two regions, ms."),
    spread: z
      .enum(["validators", "shards"])
      .default("validators")
      .describe("validators: each committee over all regions; shards: each in one region."),
    jitter: number(0, 10, 0.1).describe("Longest extra share of each message's time."),
    lossProbability: number(0, 0.5, 0).describe("Probability that a message is lost."),
    bandwidthMbps: number(0, 1_000_000, 0).describe("Of each validator, both ways; 0: no limit."),
  })
  .prefault({})
  .describe("Where validators are, and how long messages take.");

/** Config fields that say what is deployed; one protocol under one load. */
export const deploymentFields = {
  protocol: z
    .enum(PROTOCOL_NAMES)
    .default("byshard-linear-write")
    .describe("How transactions over several shards are done."),
  shards: wholeNumber(1, 128, 4).describe("Chains that the accounts are divided among."),
  validators: wholeNumber(1, 128, 4).describe("Validators of each shard."),
  committeeValidators: wholeNumber(1, 128, 4).describe(
    "Validators of the protocol's own committee, where it has one.",
  ),
  workload: z
    .enum(WORKLOAD_NAMES)
    .default("generated")
    .describe("What clients send, where no data set is given."),
  dataset: z
    .string()
    .max(1024)
    .default("")
    .describe("Recorded transactions (CSV of XBlock or ethereum-etl, also .gz); empty: none.")
    .meta({ file: "data" }),
  transactions: wholeNumber(1, 5_000_000, 3_000).describe("How many transactions clients send."),
  generator,
  accounts: wholeNumber(2, 1_000_000, 1_000).describe(
    "SmallBank: customers; YCSB: records; swaps: traders.",
  ),
  skew: number(0, 3, 0.9).describe("SmallBank and YCSB: Zipf exponent of who or what is touched."),
  placement: z
    .enum(["modulo", "clpa"])
    .default("modulo")
    .describe("clpa: accounts that deal with each other share a shard, known beforehand."),
  brokers: wholeNumber(1, 1_000, 10).describe("Broker accounts of the broker protocol."),
  consensus: z.enum(CONSENSUS_NAMES).default("tendermint").describe("Consensus within a shard."),
  blockIntervalMs: wholeNumber(1, 60_000, 1_000).describe("Pause of a chain after each block, ms."),
  speedSkew: number(1, 20, 1).describe("The slowest shard's pause over the fastest one's."),
  blockPhases: z
    .enum(["together", "spread"])
    .default("together")
    .describe("Chains start at once and stay in step, or spread over an interval by the seed."),
  blockItems: wholeNumber(1, 100_000, 2_000).describe("Transactions and messages of a block."),
  blockMiB: number(0.1, 64, 8).describe("Bytes of a block, MiB."),
  network,
  lockPolicy: z
    .enum(["wait", "refuse"])
    .default("wait")
    .describe("Lock-based: wait: stand in line for a lock; refuse: give up at once."),
  lockTimeoutMs: wholeNumber(1, 600_000, 10_000).describe(
    "Lock-based: longest wait for locks, ms.",
  ),
  coalitionBatch: wholeNumber(1, 100_000, 500).describe(
    "Prophet: transactions of a batch at most.",
  ),
  lyingCoalitionShare: number(0, 1, 0).describe("Prophet: share of the coalitions that lie."),
  crashedValidators: wholeNumber(0, 42, 0).describe(
    "Validators of each shard that crash early on.",
  ),
  signatures: z
    .enum(["elided", "ed25519"])
    .default("elided")
    .describe("elided: charged for but not computed; ed25519: computed."),
  execution: z
    .enum(["memoised", "every"])
    .default("memoised")
    .describe("memoised: a block is executed once a shard; every: by every validator."),
  checkedShare: number(0, 1, 0.01).describe(
    "Memoised: share of the blocks that every validator executes nevertheless.",
  ),
  costs: z
    .enum(["reference", "host"])
    .default("reference")
    .describe("Cost table: the project's, or this machine's (`fmlab calibrate` measures it)."),
  coreSpeed: number(0.01, 100, 1).describe("Speed of a validator's core against the cost table's."),
  warmupShare: number(0, 0.9, 0.1).describe("First share of the time that is not counted."),
  drainSeconds: wholeNumber(1, 36_000, 600).describe("Longest time to let what is sent end, s."),
  stallSeconds: wholeNumber(1, 36_000, 120).describe(
    "Without progress for so long a run fails, s.",
  ),
};

/** Files that a config needs, for `requires`. */
export function datasetFiles({ dataset }: { dataset: string }): RequiredFile[] {
  if (dataset === "") return [];
  return [
    {
      path: dataset,
      room: "data",
      source: "risechain/pevm, ethereum-etl or XBlock, by the file",
      licence: "MIT (pevm, ethereum-etl); XBlock's terms for its own files",
    },
  ];
}

/** Path of the shared data folder's Ethereum excerpt, for presets. */
export const MAINNET_FILE = "ethereum/mainnet_blocks.csv.gz";
