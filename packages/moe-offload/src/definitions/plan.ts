import { bars, defineExperiment, type MetricSpec, scatter, table } from "@fmlab/experiment";
import { z } from "zod";
import { MACHINE_NAMES } from "../planner/planner-machine.ts";
import { deviceField, linkField, modelField, modelFile } from "./offload-fields.ts";
import { cpuTimesField, shapeFields, traceFields, wholeNumber } from "./workload-fields.ts";

/** Config of `moe-offload.plan`. */
export const planConfig = z.object({
  model: modelField,
  ...shapeFields,
  machine: z
    .enum(["this", ...MACHINE_NAMES])
    .default("this")
    .describe("this: measured here; or a named one, whose card or disk is assumed."),
  memoryMiB: z
    .array(z.number().positive().max(16_777_216))
    .max(16)
    .default([])
    .describe(
      "Fast memory for experts and KV cache together, MiB, a plan for each; none: what a named " +
        "card has left, else what a quarter, half and all of the experts need.",
    ),
  contextTokens: wholeNumber(0, 16_777_216, 0).describe(
    "Tokens of the KV cache; 0 for the model's context, at most 4,096.",
  ),
  link: linkField(0, "into fast memory"),
  hostMiB: z
    .number()
    .min(0)
    .max(16_777_216)
    .default(0)
    .describe("Host memory for experts between disk and fast memory of this machine, MiB."),
  sequences: wholeNumber(1, 1_000_000, 64).describe(
    "Texts that wait to be continued, for groups of batches that share loads.",
  ),
  sequencesPerBatch: wholeNumber(1, 1024, 4).describe("Texts that are computed as one batch."),
  ...traceFields(512, 2048),
  secondsMax: wholeNumber(1, 86_400, 60).describe(
    "Seconds that a model file writes text for; slower models then give fewer tokens.",
  ),
  curvePoints: wholeNumber(2, 64, 8).describe(
    "Memories between nothing and all experts on the curve of speed over memory.",
  ),
  processorMBps: z
    .number()
    .min(0)
    .max(100_000_000)
    .default(0)
    .describe("How fast this machine reads weights, MB/s, for shapes; 0 measures it."),
  device: deviceField.describe(
    "Where times are measured, and plans are for, if a model file is planned; on a card its memory " +
      "is the fast one.",
  ),
  threads: wholeNumber(1, 64, 1).describe("Compute threads; at most the machine's cores."),
  cpuExperts: cpuTimesField,
});
export type PlanConfig = z.output<typeof planConfig>;

const metrics = {
  tokensPerSecond: {
    title: "Predicted speed",
    unit: "tok/s",
    better: "higher",
    help:
      "Of the plan, in virtual time; one point for each memory, rising. The run's, as of all " +
      "that follow: the smallest memory's.",
    measured: true,
    headline: true,
    step: "plan",
  },
  hitRate: {
    title: "Predicted hit rate",
    unit: "%",
    better: "higher",
    help: "Expert uses that find the expert there or on its way; one point for each memory.",
    measured: true,
    headline: true,
    step: "plan",
  },
  boundTokensPerSecond: {
    title: "Best possible",
    unit: "tok/s",
    better: "higher",
    help: "Belady's eviction with every prefetch right, in the same memory.",
    measured: true,
    headline: true,
    step: "plan",
  },
  gainOverLoadOnDemand: {
    title: "Gain over load on demand",
    unit: "x",
    better: "higher",
    help: "Predicted speed of the plan over that of loading every expert when it is needed.",
    measured: true,
    step: "plan",
  },
  groupTokensPerSecond: {
    title: "Groups, at most",
    unit: "tok/s",
    better: "higher",
    help: "All texts together in groups of batches, if computing hides transfers as planned.",
    measured: true,
    step: "plan",
  },
} satisfies Record<string, MetricSpec>;

/** How a model should run on a machine, and why. */
export const plan = defineExperiment({
  kind: "moe-offload.plan",
  version: 1,
  title: "Plan for a model and a machine",
  question: "How should this model run in so much memory, how fast would it be, and why?",
  config: planConfig,
  presets: {
    quick: {
      title: "Quick",
      description:
        "The shipped model on this machine in three memories over a 400 MB/s link; times are " +
        "measured, speeds predicted.",
      everywhere: true,
      config: {
        link: { bandwidthMBps: 400 },
        tokens: 384,
        learnTokens: 1024,
        curvePoints: 4,
      },
    },
    "this-machine": {
      title: "This machine's own disk",
      description: "The shipped model with experts straight from the disk they lie on.",
      everywhere: true,
      config: {},
    },
    "usb-drive": {
      title: "A USB drive",
      description: "The shipped model computed here, its experts on a drive at 400 MB/s.",
      everywhere: true,
      config: { machine: "usb3" },
    },
    "qwen-rtx3090": {
      title: "Qwen1.5-MoE on an RTX 3090",
      description:
        "From sizes alone, with the times that Fate publishes for this model and card; 2, 4 and " +
        "8 GiB; simulated.",
      config: {
        shape: "qwen1.5-moe-a2.7b",
        machine: "rtx3090-pcie3",
        memoryMiB: [2048, 4096, 8192],
        contextTokens: 1024,
      },
    },
    "mixtral-rtx3090": {
      title: "Mixtral 8x7B on an RTX 3090",
      description: "From sizes alone; 8, 16 and 20 GiB for experts and KV cache; simulated.",
      config: {
        shape: "mixtral-8x7b",
        machine: "rtx3090-pcie4",
        memoryMiB: [8192, 16_384, 20_480],
        contextTokens: 4096,
      },
    },
  },
  requires: (config) =>
    config.shape === "none"
      ? {
          tags: ["ggml"],
          ...(config.device !== "cpu" && { gpu: { device: config.device } }),
          files: [modelFile(config.model)],
        }
      : { tags: [], files: [] },
  fidelity: () => "simulated",
  metrics,
  views: [
    table(
      "plans",
      "Plans",
      "One for each memory: how to run, what limits it, and a speed predicted in virtual time.",
    ),
    scatter("speed", "Memory and speed", "What no other point beats is the front to choose from."),
    table("layers", "Layers", "Of the first plan: slots, hits, waiting, and who is resident."),
    bars("layerSizes", "Layer sizes", "Slots by what they are worth beside equal shares."),
    bars(
      "tokenTime",
      "Time per token",
      "Predicted: what a token's time goes to under each strategy.",
    ),
    table("strategies", "Strategies", "Everything that was compared, predicted fastest first."),
    table(
      "gains",
      "What would help",
      "Predicted speed with more memory, a faster link or processor.",
    ),
    table("contexts", "Longer contexts", "The KV cache takes memory from experts; slots follow."),
    table("placement", "Expert by expert", "What happens to an expert, by rank and tokens."),
    table("reasons", "Why", "What the plan was decided from."),
  ],
  load: () => import(/* turbopackIgnore: true */ "../plan/run.ts"),
});
