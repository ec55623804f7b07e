import { bars, defineExperiment, line, type MetricSpec, table, timeline } from "@fmlab/experiment";
import { z } from "zod";
import { datasetFiles, deploymentFields, number, wholeNumber } from "./deployment-fields.ts";

const {
  protocol,
  validators,
  committeeValidators,
  dataset,
  generator,
  accounts,
  skew,
  placement,
  brokers,
  consensus,
  blockItems,
  lockPolicy,
  lockTimeoutMs,
  coalitionBatch,
  lyingCoalitionShare,
  warmupShare,
} = deploymentFields;

/** Config of `shard-chain.cluster`. */
export const clusterConfig = z.object({
  protocol,
  shards: wholeNumber(1, 16, 4).describe("Chains that the accounts are divided among."),
  validators,
  committeeValidators,
  workload: z
    .enum(["generated", "smallbank", "ycsb"])
    .default("generated")
    .describe("What clients send, where no data set is given."),
  dataset,
  transactions: wholeNumber(1, 1_000_000, 900).describe("How many transactions clients send."),
  tps: number(0.01, 100_000, 20).describe("Transactions that clients send in a second."),
  generator,
  accounts,
  skew,
  placement,
  brokers,
  consensus,
  blockIntervalMs: wholeNumber(1, 60_000, 1_000).describe("Pause of a chain after each block, ms."),
  blockItems,
  lockPolicy,
  lockTimeoutMs,
  coalitionBatch,
  lyingCoalitionShare,
  proposeMs: wholeNumber(10, 60_000, 1_000).describe(
    "How long a validator waits for a proposal, ms; for votes half as long.",
  ),
  killAtSeconds: number(0, 36_000, 10).describe(
    "When one validator of each chain gets `kill -9`, s after the first arrival; 0: never.",
  ),
  restartAtSeconds: number(0, 36_000, 20).describe("When these start again, s; 0: never."),
  partitionAtSeconds: number(0, 36_000, 30).describe(
    "When each committee is cut in two halves, s; 0: never.",
  ),
  healAtSeconds: number(0, 36_000, 35).describe("When the partition ends, s."),
  warmupShare,
  drainSeconds: wholeNumber(1, 36_000, 600).describe("Longest time to let what is sent end, s."),
  replayMax: wholeNumber(0, 1_000_000, 20_000).describe(
    "Runs of up to so many transactions are executed once more on one ledger and compared.",
  ),
  predict: z
    .boolean()
    .default(true)
    .describe("Runs the same load in virtual time too, and tells both."),
});
/** What a run of it is configured by. */
export type ClusterConfig = z.output<typeof clusterConfig>;

const metric = (
  title: string,
  unit: string,
  better: MetricSpec["better"],
  help: string,
  more: Partial<MetricSpec> = {},
): MetricSpec => ({ title, unit, better, help, measured: true, ...more });

const headline = { headline: true };
const simulated = { measured: false };

const metrics = {
  goodputTps: metric(
    "Goodput",
    "tx/s",
    "higher",
    "Transactions final on every shard they touch, each once; failures and messages never.",
    headline,
  ),
  offeredTps: metric("Offered", "tx/s", "none", "Arrivals meant for the counted time."),
  latencyMsP50: metric("Latency, p50", "ms", "lower", "From arrival to finality.", headline),
  latencyMsP99: metric("Latency, p99", "ms", "lower", "From arrival to finality.", headline),
  latencyMsP999: metric("Latency, p99.9", "ms", "lower", "From arrival to finality."),
  abortRatio: metric("Aborted", "%", "lower", "Given up on account of others.", headline),
  crossShardRatio: metric("Cross-shard", "%", "none", "Arrivals that touch two shards or more."),
  fairnessInversions: metric(
    "Fairness inversions",
    "",
    "lower",
    "Pairs on one account that were executed against the order they were processed in.",
  ),
  unfinished: metric("Unfinished", "", "lower", "Arrivals that had not ended by the last one."),
  blocks: metric("Blocks", "", "none", "Blocks of all chains."),
  blocksDuringOutage: metric(
    "Blocks without the killed",
    "",
    "higher",
    "Blocks of the slowest chain between `kill -9` and the restart.",
  ),
  catchUpMs: metric(
    "Catching up",
    "ms",
    "lower",
    "From a restart until a validator has its chain's newest block again; the slowest.",
  ),
  predictedGoodputTps: metric("Predicted goodput", "tx/s", "none", "In virtual time.", simulated),
  predictedLatencyMsP50: metric("Predicted p50", "ms", "none", "In virtual time.", simulated),
} satisfies Record<string, MetricSpec>;

/** Validators as processes of one machine, over real sockets, with kills and a partition. */
export const cluster = defineExperiment({
  kind: "shard-chain.cluster",
  version: 1,
  title: "A sharded blockchain as processes",
  question: "Does it hold over real sockets and real crashes, and is it as fast as predicted?",
  paper: "arXiv:2306.06299",
  config: clusterConfig,
  presets: {
    quick: {
      title: "Quick",
      description: "Two shards of four processes; one of each is killed, restarted and catches up.",
      everywhere: true,
      config: {
        shards: 2,
        transactions: 300,
        blockIntervalMs: 500,
        killAtSeconds: 3,
        restartAtSeconds: 8,
        partitionAtSeconds: 0,
      },
    },
    faults: {
      title: "Four by four, with faults",
      description: "Four shards of four processes: kill -9, restart, partition, healing.",
      config: {},
    },
    steady: {
      title: "Four by four, undisturbed",
      description: "Measured against the prediction in virtual time.",
      config: {
        killAtSeconds: 0,
        partitionAtSeconds: 0,
        // Hardly any conflicts: not locks decide what saturates, but the machine.
        generator: { burstShare: 0, callShare: 0, headAccounts: 20_000, zipfExponent: 0 },
        tps: 750,
        transactions: 20_000,
      },
    },
  },
  requires: (config) => ({ files: datasetFiles(config) }),
  fidelity: () => "measured",
  metrics,
  views: [
    line("overTime", "Load and faults", "What ended a second while validators were gone."),
    line("heights", "Chains over time", "Height of every validator; a killed one stands still."),
    bars("criticalPath", "Where the time goes", "Mean time of committed transactions, by phase."),
    timeline("faults", "Faults", "When validators were gone, and when they were cut off."),
    table("oracles", "Oracles", "What was checked on the stored blocks, and what was found."),
    table("chains", "Chains", "Height and state root of each chain at the end."),
  ],
  load: () => import(/* turbopackIgnore: true */ "../cluster-run/run.ts"),
});
