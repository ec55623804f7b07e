import { bars, defineExperiment, type MetricSpec, table, text, timeline } from "@fmlab/experiment";
import { z } from "zod";
import { STRATEGY_NAMES } from "../adversary/strategy-names.ts";
import { CONSENSUS_NAMES } from "../node/consensus.ts";
import { PROTOCOL_NAMES } from "../protocol/names.ts";
import { number, wholeNumber } from "./deployment-fields.ts";

/** What an adversary is searched against. */
export const SCOPES = ["consensus", "deployment"] as const;

/** Config of `shard-chain.attack`. */
export const attackConfig = z.object({
  scope: z
    .enum(SCOPES)
    .default("consensus")
    .describe("consensus: one committee with faulty validators; deployment: all shards together."),
  consensus: z.enum(CONSENSUS_NAMES).default("tendermint").describe("Consensus of each committee."),
  budget: z
    .enum(["below-third", "third-to-two-thirds"])
    .default("below-third")
    .describe("Power of the faulty in a committee; below a third nothing may break."),
  strategies: z
    .array(z.enum(STRATEGY_NAMES))
    .min(1)
    .max(STRATEGY_NAMES.length)
    .default([...STRATEGY_NAMES])
    .describe("What the adversary may do; those from slow-carrier on need the scope deployment."),
  protocol: z
    .enum(PROTOCOL_NAMES)
    .default("byshard-linear-write")
    .describe("deployment: how transactions over several shards are done."),
  shards: wholeNumber(1, 16, 3).describe("deployment: shards of four validators."),
  transactions: wholeNumber(1, 10_000, 60).describe("deployment: transactions a schedule."),
  tps: number(0.1, 10_000, 40).describe("deployment: transactions a second."),
  schedules: wholeNumber(1, 100_000, 60).describe("Random schedules to try."),
  shrinkRuns: wholeNumber(0, 10_000, 200).describe("Runs spent to make a counterexample small."),
  replay: z
    .string()
    .max(200_000)
    .default("")
    .describe("A schedule as this experiment wrote it (JSON), to run it alone; empty: search."),
});
/** What a run of it is configured by. */
export type AttackConfig = z.output<typeof attackConfig>;

const count = (
  title: string,
  better: MetricSpec["better"],
  help: string,
  more: Partial<MetricSpec> = {},
): MetricSpec => ({ title, unit: "", better, help, measured: false, ...more });

/** Search for schedules that break what must hold. */
export const attack = defineExperiment({
  kind: "shard-chain.attack",
  version: 1,
  title: "Adversary search",
  question: "Is there a schedule of faults that breaks what consensus and protocol promise?",
  paper: "arXiv:1807.04938",
  config: attackConfig,
  presets: {
    quick: {
      title: "Quick",
      description: "60 schedules against Tendermint, less than a third faulty; simulated.",
      everywhere: true,
      config: {},
    },
    forks: {
      title: "Forks",
      description: "A third to two thirds faulty: forks, and who is to blame; simulated.",
      everywhere: true,
      config: { budget: "third-to-two-thirds", schedules: 100 },
    },
    hotstuff: {
      title: "HotStuff",
      description: "300 schedules against chained HotStuff, less than a third faulty; simulated.",
      everywhere: true,
      config: { consensus: "hotstuff", schedules: 300 },
    },
    pbft: {
      title: "PBFT",
      description: "300 schedules against PBFT, less than a third faulty; simulated.",
      everywhere: true,
      config: { consensus: "pbft", schedules: 300 },
    },
    shards: {
      title: "Across shards",
      description: "Everything an adversary can do against ByShard's shards; simulated.",
      everywhere: true,
      config: { scope: "deployment", schedules: 30 },
    },
    equivocation: {
      title: "Two stories in a shard",
      description: "Equivocators in the shards' consensus, convicted in blocks; simulated.",
      everywhere: true,
      config: { scope: "deployment", schedules: 20, strategies: ["equivocate", "false-vote"] },
    },
    "shard-forks": {
      title: "Forks of a shard",
      description: "Half of one shard is faulty: forks, and who is to blame; simulated.",
      everywhere: true,
      config: { scope: "deployment", schedules: 20, budget: "third-to-two-thirds" },
    },
  },
  requires: () => ({ files: [] }),
  fidelity: () => "simulated",
  metrics: {
    schedules: count("Schedules", "none", "Schedules that were run."),
    violations: count("Violations", "none", "Schedules after which something was broken.", {
      headline: true,
    }),
    forks: count("Forks", "none", "Schedules that led two correct validators apart."),
    attributed: count("Attributed", "higher", "Forks for which a third of the power is convicted."),
    convicted: count("Convicted", "none", "Validators named by what they have signed."),
    innocentNamed: count("Innocent named", "lower", "Correct validators that a report accuses.", {
      headline: true,
    }),
    events: count("Events", "none", "Events simulated."),
  },
  views: [
    bars("kinds", "What broke", "Schedules by what they broke."),
    timeline(
      "counterexample",
      "Smallest counterexample",
      "Faults over time, validator by validator.",
    ),
    table("culprits", "Who is to blame", "Validators convicted by statements they have signed."),
    table("found", "Schedules that broke something", "Seed, and what was broken."),
    text("scenario", "The schedule", "As data: paste it into `replay` to run it again."),
  ],
  load: () => import(/* turbopackIgnore: true */ "../attack-run/run.ts"),
});
