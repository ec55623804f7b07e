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
import { TWIN_KINDS } from "../precision/names.ts";
import { SCHEDULE_NAMES } from "../throughput/schedules.ts";
import {
  budgetField,
  deviceField,
  hostField,
  linkField,
  modelField,
  modelFile,
} from "./offload-fields.ts";

/** A whole number in a form. */
const count = (min: number, max: number, preset: number) =>
  z.number().int().min(min).max(max).default(preset);

/** Config of `moe-offload.throughput`. */
export const throughputConfig = z.object({
  model: modelField,
  device: deviceField,
  schedules: z
    .array(z.enum(SCHEDULE_NAMES))
    .min(1)
    .max(SCHEDULE_NAMES.length)
    .default(["simple-pipeline", "klotski"])
    .describe("How batches go through the layers, one after the other at equal memory."),
  promptTokens: count(1, 100_000, 128).describe("Tokens of each prompt."),
  outputTokens: count(1, 100_000, 32).describe("Tokens generated after each prompt, greedily."),
  sequencesPerBatch: count(1, 1024, 4).describe("Sequences that are computed as one batch (B)."),
  batches: count(0, 1024, 0).describe("Batches of a group (n); 0 leaves it to the planner."),
  batchesMax: count(1, 1024, 10).describe("Most batches the planner may ask for."),
  loneBatches: count(1, 1024, 2).describe(
    "Batches that schedules run which do not share loads; their speed does not depend on it.",
  ),
  budgetMiB: budgetField,
  memoryMiB: z
    .number()
    .positive()
    .max(16_777_216)
    .default(2048)
    .describe("Memory for slots, caches and activations of a group, MiB; limits the batches."),
  host: hostField,
  link: linkField(400, "into fast memory, from host memory or else from disk"),
  hotCount: count(0, 4096, 0).describe(
    "Hot experts prefetched (K); 0 for as many as a token uses.",
  ),
  textFile: z
    .string()
    .max(1024)
    .default("")
    .describe("Text that prompts are cut from, .txt or .txt.gz, in the data folder; or none.")
    .meta({ file: "data" }),
  compareSequences: count(0, 4096, 4).describe(
    "Sequences whose logits are compared with one-by-one generation; 0 compares none.",
  ),
  nearTieGap: z
    .number()
    .min(0)
    .max(100)
    .default(0.5)
    .describe("A differing choice is a near tie when the two best logits are closer than this."),
  twin: z
    .enum(TWIN_KINDS)
    .default("q4_0")
    .describe("Precision of the experts that klotski-q loads; q2_k keeps q4_0 where it must."),
  threads: count(1, 64, 1).describe("Compute threads; at most the machine's cores."),
  timelineSteps: count(0, 64, 1).describe("Decode steps in the timeline, of the last schedule."),
});
export type ThroughputConfig = z.output<typeof throughputConfig>;

const metrics = {
  tokensPerSecond: {
    title: "Throughput",
    unit: "tok/s",
    better: "higher",
    help:
      "Generated tokens over the time of prompts and generation; by schedule. The run's, as of " +
      "loads and bubbles: the last schedule's.",
    measured: true,
    headline: true,
    step: "schedule",
  },
  speedup: {
    title: "Speed-up over the first schedule",
    unit: "x",
    better: "higher",
    help: "Throughput of the last schedule over that of the first.",
    measured: true,
    headline: true,
  },
  batches: {
    title: "Batches of a group",
    unit: "",
    better: "none",
    help: "Batches that share every load of an expert: the planner's choice or the config's.",
    measured: true,
  },
  stepMs: {
    title: "Time per step",
    unit: "ms",
    better: "lower",
    help: "Time of one decode step of the whole group; by schedule.",
    measured: true,
    step: "step",
  },
  bytesPerToken: {
    title: "Loaded per token",
    unit: "B",
    better: "lower",
    help: "Expert bytes over the link per generated token, prompts included; by schedule.",
    measured: true,
    step: "schedule",
  },
  bubbleShare: {
    title: "Bubbles",
    unit: "%",
    better: "lower",
    help: "Share of the time in which computing waited for experts; by schedule.",
    measured: true,
    headline: true,
    step: "schedule",
  },
  prefetchUsed: {
    title: "Prefetched experts used",
    unit: "%",
    better: "higher",
    help: "Experts predicted as hot that some token of the group used, in decode steps.",
    measured: false,
  },
  prefetchHot: {
    title: "Prefetched experts hot",
    unit: "%",
    better: "higher",
    help: "Experts predicted as hot that were among the most used ones, in decode steps.",
    measured: false,
  },
  klMean: {
    title: "KL from one-by-one",
    unit: "nats",
    better: "lower",
    help: "Mean divergence of groups from one-by-one generation over all compared positions.",
    measured: false,
    headline: true,
  },
  klQuantised: {
    title: "KL of quantised experts",
    unit: "nats",
    better: "lower",
    help: "The same of klotski-q: what its low-precision experts cost.",
    measured: false,
  },
  nearTies: {
    title: "Near ties",
    unit: "",
    better: "lower",
    help: "Compared positions whose greedy choice differs, the two best logits being close.",
    measured: false,
  },
} satisfies Record<string, MetricSpec>;

/** How fast many sequences are generated when batches share the loads of experts. */
export const throughput = defineExperiment({
  kind: "moe-offload.throughput",
  version: 1,
  title: "Throughput of batch groups",
  question: "How many tokens a second do groups of batches generate that share expert loads?",
  paper: "arXiv:2502.06888",
  config: throughputConfig,
  presets: {
    quick: {
      title: "Quick",
      description: "Klotski against the simple pipeline with a quarter of the experts, 400 MB/s.",
      everywhere: true,
      config: { loneBatches: 1 },
    },
    "klotski-table3": {
      title: "Klotski's ablation",
      description: "The five steps of its Table 3 at equal memory; the last quantises experts.",
      everywhere: true,
      config: {
        schedules: ["simple-pipeline", "zig-zag", "hot-prefetch", "klotski", "klotski-q"],
      },
    },
    "zig-zag": {
      title: "Baselines",
      description: "No overlap, simple overlap and FlexGen's zig-zag block, next to Klotski.",
      everywhere: true,
      config: { schedules: ["no-overlap", "simple-pipeline", "zig-zag", "klotski"] },
    },
    aggressive: {
      title: "Beyond Klotski",
      description: "All that will probably be needed loads ahead, not only hot experts.",
      everywhere: true,
      config: { schedules: ["klotski", "aggressive"] },
    },
  },
  requires: ({ device, model, textFile }) => ({
    tags: ["ggml"],
    ...(device !== "cpu" && { gpu: { device } }),
    files: [
      modelFile(model),
      ...(textFile === ""
        ? []
        : [
            {
              path: textFile,
              room: "data" as const,
              source: "the data folder",
              licence: "see where it comes from",
            },
          ]),
    ],
  }),
  fidelity: ({ link }) => (link.bandwidthMBps > 0 || link.latencyUs > 0 ? "emulated" : "measured"),
  metrics,
  views: [
    table("schedules", "By schedule", "Each builds on the one before it; all have equal memory."),
    table("plan", "The planner", "Batches are as few as satisfy every inequality, if memory does."),
    timeline("pipeline", "Computing and loading", "Stalls and gaps are bubbles.", {
      gapLanes: ["compute", "transfer"],
    }),
    bars("time", "Where time goes", "Seconds of each schedule, per thousand generated tokens."),
    line(
      "steps",
      "Steps of each schedule",
      "Time of a decode step of the group; steps of other groups follow.",
    ),
    table("hot", "Predicted hot experts", "By layer: how many predictions were used, or hot."),
    table("differences", "Differing choices", "Where groups and one-by-one choose differently."),
    text("output", "Text", "What the last schedule wrote."),
  ],
  load: () => import(/* turbopackIgnore: true */ "../throughput/run.ts"),
});
