import { bars, defineExperiment, type MetricSpec, table, text } from "@fmlab/experiment";
import { z } from "zod";
import { PROTOCOL_NAMES } from "../protocol/names.ts";
import { deploymentFields, number, wholeNumber } from "./deployment-fields.ts";

/** The two front-running attacks; see `FrontRunner`. */
export const ATTACKS = ["intra", "cross"] as const;

const { consensus, blockIntervalMs, blockItems, lockPolicy, lockTimeoutMs } = deploymentFields;

/** Config of `shard-chain.fairness`. */
export const fairnessConfig = z.object({
  protocols: z
    .array(z.enum(PROTOCOL_NAMES))
    .min(1)
    .max(PROTOCOL_NAMES.length)
    .default([...PROTOCOL_NAMES])
    .describe("Protocols to attack, each on the same deployment and workload."),
  attacks: z
    .array(z.enum(ATTACKS))
    .min(1)
    .max(ATTACKS.length)
    .default([...ATTACKS])
    .describe("intra: from the contract's own shard; cross: from a faster and nearer shard."),
  shards: wholeNumber(3, 64, 4).describe(
    "Shards: the contract's, the attacker's, ..., the victims'.",
  ),
  validators: wholeNumber(4, 64, 4).describe(
    "Validators of each committee; one of them is faulty.",
  ),
  victims: wholeNumber(1, 10_000, 20).describe("Calls that are worth overtaking."),
  backgroundTransactions: wholeNumber(0, 100_000, 200).describe("Other transactions meanwhile."),
  tps: number(0.1, 100_000, 20).describe("Transactions that clients send in a second."),
  farRttMs: number(0, 5_000, 400).describe("Round trip between the victims' shard and others, ms."),
  nearRttMs: number(0, 5_000, 20).describe("Round trip between all other shards, ms."),
  fastFactor: number(0.05, 1, 0.3).describe(
    "Pause of the contract's and the attacker's shards over that of others.",
  ),
  carrierDelayMs: number(0, 60_000, 500).describe(
    "Faulty carriers hold messages back so long, ms.",
  ),
  consensus,
  blockIntervalMs,
  blockItems,
  lockPolicy,
  lockTimeoutMs,
});
/** What a run of it is configured by. */
export type FairnessConfig = z.output<typeof fairnessConfig>;

const perRun = (
  title: string,
  unit: string,
  better: MetricSpec["better"],
  help: string,
  more: Partial<MetricSpec> = {},
): MetricSpec => ({
  title,
  unit,
  better,
  help: `${help} By protocol and attack; the run's own: over all of them.`,
  measured: false,
  ...more,
});

/** Front-running attacks on every protocol. */
export const fairness = defineExperiment({
  kind: "shard-chain.fairness",
  version: 1,
  title: "Front-running across shards",
  question: "Can who sees a transaction in a block still overtake it before it is executed?",
  paper: "arXiv:2306.06299",
  config: fairnessConfig,
  presets: {
    quick: {
      title: "Quick",
      description: "Both attacks on every protocol, 20 victims; simulated.",
      everywhere: true,
      config: {},
    },
    "many-shards": {
      title: "Sixteen shards",
      description: "Both attacks among 16 shards with more load; simulated.",
      everywhere: true,
      config: { shards: 16, victims: 60, backgroundTransactions: 1_500, tps: 100 },
    },
    haechi: {
      title: "Haechi and the lock-based",
      description: "Both attacks on Haechi, AHL and ByShard, skewed shard speeds; simulated.",
      everywhere: true,
      config: { protocols: ["haechi", "haechi-sync", "ahl", "byshard-linear-write"] },
    },
  },
  requires: () => ({ files: [] }),
  fidelity: () => "simulated",
  metrics: {
    attackSuccess: perRun(
      "Attacks that succeed",
      "%",
      "lower",
      "Attacks executed on the contract before the transaction that they answer to.",
      { headline: true },
    ),
    fairnessInversions: perRun(
      "Fairness inversions",
      "",
      "lower",
      "Pairs on one account that were executed against the order they were processed in.",
      { headline: true },
    ),
    trueTimeInversions: perRun(
      "Against true time",
      "",
      "none",
      "The same, against the true moments at which blocks were committed.",
    ),
    attacksLaunched: perRun("Attacks", "", "none", "Victims that were seen and answered to."),
    goodputTps: perRun("Goodput", "tx/s", "higher", "Transactions final everywhere."),
    latencyMsP50: perRun("Latency, p50", "ms", "lower", "From intended arrival to finality."),
    latencyMsP99: perRun("Latency, p99", "ms", "lower", "From intended arrival to finality."),
  },
  views: [
    bars("success", "Attacks that succeed", "Share of the attacks that overtake their victim."),
    bars("inversions", "Inversions", "Pairs executed against the order they were processed in."),
    table("attacks", "Every attack", "Victim and attack: where processed, which executed first."),
    text("remarks", "What is assumed", "What the adversary can and cannot do."),
  ],
  load: () => import(/* turbopackIgnore: true */ "../fairness-run/run.ts"),
});
