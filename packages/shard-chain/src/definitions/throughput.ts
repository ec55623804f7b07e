import {
  bars,
  defineExperiment,
  line,
  type MetricSpec,
  table,
  text,
  timeline,
} from "@fmlab/experiment";
import { z } from "zod";
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
    line("latencyCdf", "Latency", "Share of the committed transactions by their latency."),
    bars("criticalPath", "Where the time goes", "Mean time of committed transactions, by phase."),
    timeline(
      "sequence",
      "Ways of single transactions",
      "Blocks that took them in, chain by chain.",
    ),
    table("oracles", "Oracles", "What was checked, and what was found."),
    table("locks", "Lock graph", "At the fullest moment: who holds each lock, who waits for it."),
    bars("traffic", "Traffic", "Bytes sent, by what for."),
    table("chains", "Chains", "Height and state root of each chain at the end."),
    text("remarks", "What is assumed", "What a reader of these results must know."),
  ],
  load: () => import(/* turbopackIgnore: true */ "../throughput-run/run.ts"),
});
