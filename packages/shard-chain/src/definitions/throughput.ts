import {
  bars,
  defineExperiment,
  heatmap,
  line,
  type MetricSpec,
  table,
  text,
  timeline,
} from "@fmlab/experiment";
import { z } from "zod";
import { PROTOCOL_NAMES } from "../protocol/names.ts";
import {
  datasetFiles,
  deploymentFields,
  MAINNET_FILE,
  number,
  wholeNumber,
} from "./deployment-fields.ts";

/** Config of `shard-chain.throughput`. */
export const throughputConfig = z.object({
  ...deploymentFields,
  tps: number(0.01, 1_000_000, 200).describe("Transactions that clients send in a second."),
  arrivals: z
    .enum(["poisson", "burst", "replay"])
    .default("poisson")
    .describe("poisson: even; burst: five times as many a tenth of the time; replay: as recorded."),
  replaySpeed: number(0.001, 1_000_000, 1).describe("replay: how much faster than recorded."),
  replayMax: wholeNumber(0, 5_000_000, 20_000).describe(
    "Runs of up to so many transactions are executed once more on one ledger and compared.",
  ),
  versus: z
    .enum(["none", ...PROTOCOL_NAMES])
    .default("none")
    .describe("A second protocol on the same seed and load, drawn beside the first."),
});
/** What a run of it is configured by. */
export type ThroughputConfig = z.output<typeof throughputConfig>;

const simulated = (
  title: string,
  unit: string,
  better: MetricSpec["better"],
  help: string,
  more: Partial<MetricSpec> = {},
): MetricSpec => ({ title, unit, better, help, measured: false, ...more });

const headline = { headline: true };

const metrics = {
  goodputTps: simulated(
    "Goodput",
    "tx/s",
    "higher",
    "Transactions final on every shard they touch, each once; failures and messages never.",
    headline,
  ),
  offeredTps: simulated("Offered", "tx/s", "none", "Arrivals meant for the counted time."),
  latencyMsP50: simulated("Latency, p50", "ms", "lower", "From intended arrival to finality.", {
    headline: true,
  }),
  latencyMsP90: simulated("Latency, p90", "ms", "lower", "From intended arrival to finality."),
  latencyMsP99: simulated(
    "Latency, p99",
    "ms",
    "lower",
    "From intended arrival to finality; those in flight count with the time they have waited.",
    headline,
  ),
  latencyMsP999: simulated("Latency, p99.9", "ms", "lower", "From intended arrival to finality."),
  consensusRounds: simulated(
    "Consensus rounds",
    "",
    "lower",
    "On the critical path of a committed transaction, mean.",
  ),
  abortRatio: simulated(
    "Aborted",
    "%",
    "lower",
    "Given up on account of others: locks, stale reads.",
    headline,
  ),
  failureRatio: simulated("Failed", "%", "none", "Could not have succeeded alone either."),
  retryRatio: simulated("Retries", "", "lower", "Attempts beyond the first, a transaction."),
  crossShardRatio: simulated("Cross-shard", "%", "none", "Arrivals that touch two shards or more."),
  fairnessInversions: simulated(
    "Fairness inversions",
    "",
    "lower",
    "Pairs on one account that were executed against the order they were processed in.",
    headline,
  ),
  unfinished: simulated("Unfinished", "", "lower", "Arrivals that had not ended by the last one."),
  blocks: simulated("Blocks", "", "none", "Blocks of all chains."),
  messageBytesPerTx: simulated("Traffic", "B/tx", "lower", "Bytes sent, a transaction."),
  eventsPerSecond: simulated("Simulator", "events/s", "higher", "Real speed of the simulation.", {
    measured: true,
  }),
} satisfies Record<string, MetricSpec>;

/** A load so small and even that latency is rounds of consensus, and hardly anything waits. */
const calm = (protocol: ThroughputConfig["protocol"], title: string) => ({
  title: `${title} at rest`,
  description: `${title} on eight shards, few transactions over many accounts; simulated.`,
  everywhere: true,
  config: {
    protocol,
    shards: 8,
    generator: { burstShare: 0, callShare: 0, headAccounts: 20_000, zipfExponent: 0 },
    transactions: 2_400,
    tps: 60,
  },
});

/** More than anybody gets done: goodput is what there is room for, and latency says nothing. */
const full = (protocol: ThroughputConfig["protocol"], title: string) => ({
  title: `${title} under too much load`,
  description: `${title} on four shards with blocks of 200 items, 500 tx/s; simulated.`,
  everywhere: true,
  config: {
    protocol,
    blockItems: 200,
    transactions: 10_000,
    tps: 500,
    warmupShare: 0.5,
    drainSeconds: 1,
  },
});

/** The same, where the slowest shard makes a block in four times the time of the fastest. */
const skewed = (protocol: ThroughputConfig["protocol"], title: string) => ({
  title: `${title} where shards differ in speed`,
  description: `${title} on four shards, the slowest four times as slow, 250 tx/s; simulated.`,
  everywhere: true,
  config: { ...full(protocol, title).config, tps: 250, speedSkew: 4 },
});

/** The default load where nobody may wait for a lock. */
const refusing = (protocol: ThroughputConfig["protocol"], title: string) => ({
  title: `${title} without waiting`,
  description: `${title} on the default load; a taken lock is a refusal; simulated.`,
  everywhere: true,
  config: { protocol, lockPolicy: "refuse" as const },
});

/** Eight shards under a load that Prophet keeps up with, a contract hot; who aborts how much? */
const contested = (title: string, more: z.input<typeof throughputConfig>) => ({
  title,
  description: "Eight shards, one contract in a third of the calls, no waiting; simulated.",
  everywhere: true,
  config: {
    protocol: "prophet" as const,
    shards: 8,
    // No bursts: a few of them in a run would be all chance.
    generator: { burstShare: 0, hotContractShare: 0.3 },
    lockPolicy: "refuse" as const,
    ...more,
  },
});

/** One protocol on one deployment under one load. */
export const throughput = defineExperiment({
  kind: "shard-chain.throughput",
  version: 1,
  title: "Throughput of a sharded blockchain",
  question: "How much does this cross-shard protocol get done under this load, and how fast?",
  paper: "arXiv:2306.06299",
  config: throughputConfig,
  presets: {
    quick: {
      title: "Quick",
      description: "ByShard, linear, on four shards and generated transactions; simulated.",
      everywhere: true,
      config: {},
    },
    relay: {
      title: "Relay",
      description: "Monoxide's relay transactions on the same load: fast, not isolated; simulated.",
      everywhere: true,
      config: { protocol: "relay" },
    },
    ahl: {
      title: "AHL",
      description: "Two-phase commit with a reference committee on the same load; simulated.",
      everywhere: true,
      config: { protocol: "ahl" },
    },
    haechi: {
      title: "Haechi",
      description: "Ordered by a beacon before anything is executed, the same load; simulated.",
      everywhere: true,
      config: { protocol: "haechi" },
    },
    "calm-haechi": calm("haechi", "Haechi"),
    "calm-ahl": calm("ahl", "AHL"),
    "calm-byshard": calm("byshard-linear-write", "ByShard, linear,"),
    "full-haechi": full("haechi", "Haechi"),
    "full-haechi-sync": full("haechi-sync", "Haechi in lock-step"),
    "full-ahl": full("ahl", "AHL"),
    "full-byshard": full("byshard-linear-write", "ByShard, linear,"),
    "skewed-haechi": skewed("haechi", "Haechi"),
    "skewed-haechi-sync": skewed("haechi-sync", "Haechi in lock-step"),
    "skewed-ahl": skewed("ahl", "AHL"),
    "skewed-byshard": skewed("byshard-linear-write", "ByShard, linear,"),
    "refusing-haechi": refusing("haechi", "Haechi"),
    "refusing-byshard": refusing("byshard-linear-write", "ByShard, linear,"),
    prophet: {
      title: "Prophet",
      description: "Pre-executed by coalitions, ordered, then verified, the same load; simulated.",
      everywhere: true,
      config: { protocol: "prophet" },
    },
    "full-prophet": full("prophet", "Prophet"),
    "prophet-contested": contested("Prophet on a hot contract", {}),
    "prophet-lied-to": contested("Prophet among liars", {
      lyingCoalitionShare: 0.3,
      coalitionBatch: 20,
    }),
    "prophet-signed": contested("Prophet, signed and executed by all", {
      transactions: 400,
      signatures: "ed25519",
      execution: "every",
    }),
    "prophet-elided": contested("Prophet, signed and executed once", { transactions: 400 }),
    "locks-contested": contested("ByShard on a hot contract", { protocol: "byshard-linear-write" }),
    "locks-even": contested("ByShard where no account is hot", {
      protocol: "byshard-linear-write",
      generator: { burstShare: 0, zipfExponent: 0.5 },
    }),
    "locks-two-shards": contested("ByShard on two shards, a hot contract", {
      protocol: "byshard-linear-write",
      shards: 2,
    }),
    wan: {
      title: "Across continents",
      description: "Eight shards over four regions, 80 ms apart, 50 Mbit/s each; simulated.",
      everywhere: true,
      config: {
        shards: 8,
        network: { regions: 4, rttBetweenMs: 80, bandwidthMbps: 50 },
        transactions: 6_000,
        tps: 300,
      },
    },
    mainnet: {
      title: "Recorded transactions",
      description: "An excerpt of Ethereum's mainnet on 16 shards, calls by a stand-in; simulated.",
      config: { dataset: MAINNET_FILE, shards: 16, transactions: 18_063, tps: 500 },
    },
    million: {
      title: "A million transactions",
      description: "Relay on 16 shards, all oracles on, one execution a shard; simulated.",
      config: { protocol: "relay", shards: 16, transactions: 1_000_000, tps: 6_000 },
    },
    "side-by-side": {
      title: "Two protocols side by side",
      description: "ByShard and AHL on one seed: the same transactions, both ways; simulated.",
      everywhere: true,
      config: { transactions: 1_000, tps: 100, versus: "ahl" },
    },
    signed: {
      title: "Signed and executed by all",
      description: "Every signature computed, every block executed by every validator; simulated.",
      everywhere: true,
      config: { transactions: 500, signatures: "ed25519", execution: "every" },
    },
  },
  requires: (config) => ({ files: datasetFiles(config) }),
  fidelity: () => "simulated",
  metrics,
  views: [
    line("overTime", "Load and goodput over time", "Sent and ended a second, and in flight."),
    line("latencyCdf", "Latency", "Share of the committed transactions that took at most so long."),
    bars("criticalPath", "Where the time goes", "Mean time of committed transactions, by phase."),
    timeline(
      "sequence",
      "Ways of single transactions",
      "The time until each block that took them further, by the block's chain.",
    ),
    table("oracles", "Oracles", "What was checked, and what was found."),
    heatmap("lockGraph", "Lock graph", "At the fullest moment: who waits for whom, over locks."),
    table("locks", "Locks", "At the fullest moment: who holds each lock, who waits for it."),
    bars("traffic", "Traffic", "Bytes sent, by what for."),
    table("chains", "Chains", "Height and state root of each chain at the end."),
    text("remarks", "What is assumed", "What a reader of these results must know."),
  ],
  load: () => import(/* turbopackIgnore: true */ "../throughput-run/run.ts"),
});
