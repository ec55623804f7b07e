import { defineExperiment, line, type MetricSpec, scatter, table } from "@fmlab/experiment";
import { z } from "zod";
import { PROTOCOL_NAMES } from "../protocol/names.ts";
import { datasetFiles, deploymentFields, MAINNET_FILE, number } from "./deployment-fields.ts";

const {
  protocol: _,
  transactions: __,
  drainSeconds: ___,
  ...deployment
} = {
  ...deploymentFields,
  warmupShare: number(0, 0.9, 0.4).describe("First share of each load's time, not counted."),
};

/** Config of `shard-chain.saturation`. */
export const saturationConfig = z.object({
  protocols: z
    .array(z.enum(PROTOCOL_NAMES))
    .min(1)
    .max(PROTOCOL_NAMES.length)
    .default(["relay", "ahl", "byshard-linear-write"])
    .describe("Protocols to compare on the same deployment and workload."),
  shardCounts: z
    .array(z.number().int().min(1).max(128))
    .min(1)
    .max(16)
    .default([4])
    .describe("Numbers of shards to compare, each with every protocol."),
  crossShares: z
    .array(z.number().min(0).max(1))
    .max(16)
    .default([])
    .describe("Cross-shard shares to compare on generated transactions; none: as they come."),
  ...deployment,
  seconds: number(2, 3_600, 30).describe("How long each load lasts at least, virtual seconds."),
  startTps: number(1, 1_000_000, 50).describe("First load; it doubles while it is sustained."),
  maxTps: number(1, 1_000_000, 3_200).describe("Loads above this are not tried."),
  sustainedShare: number(0.1, 1, 0.9).describe(
    "A load is sustained when goodput reaches this share of it.",
  ),
  precision: number(0.01, 0.5, 0.1).describe("Stop when the bounds are this close, as a share."),
});
/** What a run of it is configured by. */
export type SaturationConfig = z.output<typeof saturationConfig>;

const perProtocol = (
  title: string,
  unit: string,
  better: MetricSpec["better"],
  help: string,
  more: Partial<MetricSpec> = {},
): MetricSpec => ({
  title,
  unit,
  better,
  help: `${help} By protocol and shards; the run's own: what sustains most.`,
  measured: false,
  ...more,
});

/** Haechi next to what it is compared with; small blocks, so that small loads fill them. */
const haechi = (title: string, more: z.input<typeof saturationConfig>) => ({
  title,
  description: "Haechi, in lock-step too, AHL, ByShard; transfers among many accounts; simulated.",
  everywhere: true,
  config: {
    protocols: [
      "haechi",
      "haechi-sync",
      "ahl",
      "byshard-linear-write",
    ] satisfies SaturationConfig["protocols"],
    generator: { burstShare: 0, callShare: 0, headAccounts: 20_000, zipfExponent: 0 },
    blockItems: 200,
    seconds: 20,
    maxTps: 3_200,
    ...more,
  },
});

/** Prophet next to the lock-based; small blocks, so that small loads fill them. */
const prophet = (title: string, more: z.input<typeof saturationConfig>) => ({
  title,
  description: "Prophet, AHL and ByShard; blocks of 200 items; simulated.",
  everywhere: true,
  config: {
    protocols: [
      "prophet",
      "ahl",
      "byshard-linear-write",
      "byshard-linear-read-write",
    ] as SaturationConfig["protocols"],
    blockItems: 200,
    // Some ten stretches in which one account is in most transactions, also of small loads.
    seconds: 60,
    maxTps: 1_600,
    precision: 0.25,
    ...more,
  },
});

/** The load at which each protocol falls behind. */
export const saturation = defineExperiment({
  kind: "shard-chain.saturation",
  version: 1,
  title: "Saturation of sharded blockchains",
  question: "Up to which load does each cross-shard protocol keep up, and what happens to latency?",
  paper: "arXiv:2304.08595",
  config: saturationConfig,
  presets: {
    quick: {
      title: "Quick",
      description: "Relay, AHL and ByShard on four shards, up to 400 tx/s; simulated.",
      everywhere: true,
      config: { maxTps: 400, seconds: 10, precision: 0.4, startTps: 100 },
    },
    "two-to-sixteen": {
      title: "Two to sixteen shards",
      description: "Every protocol at 2, 4, 8 and 16 shards, generated transactions; simulated.",
      config: {
        protocols: [...PROTOCOL_NAMES],
        shardCounts: [2, 4, 8, 16],
        maxTps: 20_000,
        startTps: 200,
      },
    },
    "haechi-calm": haechi("Haechi where little conflicts", {}),
    "haechi-two-to-sixteen": haechi("Haechi on two to sixteen shards", {
      shardCounts: [2, 4, 8, 16],
    }),
    prophet: prophet("Prophet and the lock-based", {}),
    "prophet-even": prophet("Prophet where no account is hot", {
      generator: { burstShare: 0, zipfExponent: 0.5 },
    }),
    "prophet-hot": prophet("Prophet where one contract is hot", {
      generator: { burstShare: 0.8, hotContractShare: 0.3 },
    }),
    "prophet-two-to-sixteen": prophet("Prophet on two to sixteen shards", {
      shardCounts: [2, 4, 8, 16],
    }),
    "cross-ratio": {
      title: "From within to across",
      description: "Relay, AHL and ByShard as more transactions cross shards; simulated.",
      everywhere: true,
      config: {
        crossShares: [0, 0.25, 0.5, 0.75, 1],
        blockItems: 200,
        seconds: 10,
        precision: 0.3,
        startTps: 50,
        maxTps: 800,
      },
    },
    mainnet: {
      title: "Recorded transactions",
      description: "Every protocol on an excerpt of Ethereum's mainnet, 8 shards; simulated.",
      config: { protocols: [...PROTOCOL_NAMES], dataset: MAINNET_FILE, shardCounts: [8] },
    },
  },
  requires: (config) => ({ files: datasetFiles(config) }),
  fidelity: () => "simulated",
  metrics: {
    sustainedTps: perProtocol(
      "Sustained",
      "tx/s",
      "higher",
      "Highest load that was kept up with.",
      {
        headline: true,
      },
    ),
    peakGoodputTps: perProtocol("Peak goodput", "tx/s", "higher", "Largest goodput at any load.", {
      headline: true,
    }),
    latencyMsP50: perProtocol("Latency, p50", "ms", "lower", "At the highest sustained load."),
    latencyMsP99: perProtocol("Latency, p99", "ms", "lower", "At the highest sustained load.", {
      headline: true,
    }),
    abortRatio: perProtocol("Aborted", "%", "lower", "At the highest sustained load."),
  },
  views: [
    line("byShards", "Over shards", "Sustained load by number of shards, a curve a protocol."),
    line("byCrossShare", "Over cross-shard shares", "Sustained load as more goes over shards."),
    scatter(
      "loads",
      "Offered and achieved",
      "A point a load; on the dashed line all is kept up with.",
    ),
    scatter("latency", "Load and latency", "Median and tail against the goodput reached."),
    scatter(
      "aborts",
      "Aborts",
      "Share of the transactions given up on account of others, by load.",
    ),
    table("points", "All loads", "Every load that was tried, with its goodput and latency."),
  ],
  load: () => import(/* turbopackIgnore: true */ "../saturation-run/run.ts"),
});
