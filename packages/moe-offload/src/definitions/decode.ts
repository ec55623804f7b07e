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
import {
  ALL_MIB,
  budgetField,
  cpuExpertsField,
  deviceField,
  HALF_MIB,
  hostField,
  linkField,
  lowPrecisionField,
  modelField,
  QUARTER_MIB,
  strategyFields,
} from "./offload-fields.ts";
import { linkSpeedField, vramField } from "./sizes.ts";
import { textFiles } from "./text-fields.ts";

/** Written for this repository. */
const PROMPTS = [
  "The lamp in the lighthouse had burned every night for forty years, and on the first night it " +
    "went out the keeper",
  "When the two sisters opened the old trunk in the attic, they found nothing in it but",
];

/** Config of `moe-offload.decode`. */
export const decodeConfig = z.object({
  model: modelField,
  prompts: z
    .array(z.string().min(1).max(20_000))
    .min(1)
    .max(64)
    .default(PROMPTS)
    .describe("Texts to continue, one after another; experts in memory stay between them."),
  maxTokens: z
    .number()
    .int()
    .min(1)
    .max(100_000)
    .default(64)
    .describe("Tokens to generate for each prompt; prompt and tokens must fit the context."),
  device: deviceField,
  budgetMiB: budgetField,
  vram: vramField("budgetMiB"),
  layerSizes: z
    .enum(["equal", "miss-curves"])
    .default("equal")
    .describe(
      "Slots of each layer: equal shares, or by what more slots are worth there (policy reuse only).",
    ),
  kvInBudget: z
    .boolean()
    .default(false)
    .describe("The budget pays for the KV cache too: slots are given up as the context grows."),
  ...strategyFields,
  lowPrecision: lowPrecisionField,
  cpuExperts: cpuExpertsField,
  host: hostField,
  link: linkField(200, "into fast memory"),
  linkSpeed: linkSpeedField("link.bandwidthMBps"),
  disk: linkField(0, "from disk to host memory"),
  sampling: z
    .object({
      temperature: z
        .number()
        .min(0)
        .max(10)
        .default(0.8)
        .describe("0 always takes the likeliest token; higher values choose more freely."),
      topK: z
        .number()
        .int()
        .min(0)
        .max(1_000_000)
        .default(40)
        .describe("Choose among the k likeliest tokens; 0 considers all."),
      topP: z
        .number()
        .gt(0)
        .max(1)
        .default(0.95)
        .describe("Then among the likeliest that reach this probability together; 1 keeps all."),
    })
    .prefault({})
    .describe("How the next token is chosen; top-k and top-p matter above temperature 0 only."),
  threads: z
    .number()
    .int()
    .min(1)
    .max(64)
    .default(1)
    .describe("Compute threads; at most the machine's cores."),
  promptEvaluation: z
    .enum(["token", "batch"])
    .default("token")
    .describe(
      "token: one by one, so that every policy computes the same bits. " +
        "batch: at once, where all experts are resident.",
    ),
  ignoreEnd: z
    .boolean()
    .default(false)
    .describe("Go on after the model's end-of-text token, for runs of a fixed length."),
  recordTrace: z
    .boolean()
    .default(false)
    .describe("Keep what the routers said of every token as an artifact, for moe-offload.replay."),
  timelineTokens: z
    .number()
    .int()
    .min(0)
    .max(256)
    .default(4)
    .describe("Decode steps recorded in the timeline of computing and loading."),
});
export type DecodeConfig = z.output<typeof decodeConfig>;

const metrics = {
  decodeTokensPerSecond: {
    title: "Decode speed",
    unit: "tok/s",
    better: "higher",
    help: "Decode steps of all prompts over the time they took; during a run, so far.",
    measured: true,
    headline: true,
    step: "token",
  },
  prefillTokensPerSecond: {
    title: "Prefill speed",
    unit: "tok/s",
    better: "higher",
    help: "Prompt tokens over the time of evaluating them, loading included; by prompt.",
    measured: true,
    step: "prompt",
  },
  timeToFirstTokenMs: {
    title: "Time to first token",
    unit: "ms",
    better: "lower",
    help: "From the start of a prompt's evaluation to its first chosen token; by prompt.",
    measured: true,
    headline: true,
    step: "prompt",
  },
  tokenMs: {
    title: "Time per token",
    unit: "ms",
    better: "lower",
    help: "Time of one decode step: evaluating a token, waiting for experts, choosing the next.",
    measured: true,
    step: "token",
  },
  hitRate: {
    title: "Hit rate",
    unit: "%",
    better: "higher",
    help:
      "Expert uses of decode steps that found the expert in fast memory or on its way there; also " +
      "by layer.",
    measured: true,
    headline: true,
    step: "token",
  },
  lateHitRate: {
    title: "Late hits",
    unit: "%",
    better: "lower",
    help: "Part of the hit rate: experts that had been prefetched but were still on their way.",
    measured: true,
    step: "token",
  },
  bytesPerToken: {
    title: "Loaded per token",
    unit: "B",
    better: "lower",
    help: "Expert bytes that came over the link per decode step, prefetched ones included.",
    measured: true,
    headline: true,
    step: "token",
  },
  stallMsPerToken: {
    title: "Stall per token",
    unit: "ms",
    better: "lower",
    help: "Time per decode step in which the computation waited for experts.",
    measured: true,
    step: "token",
  },
  lowPrecisionRate: {
    title: "Low precision",
    unit: "%",
    better: "lower",
    help: "Expert uses of decode steps that were computed in low precision; lossy runs only.",
    measured: true,
    step: "token",
  },
  cpuRate: {
    title: "On the CPU",
    unit: "%",
    better: "lower",
    help: "Expert uses of decode steps that the CPU computed beside the card, where it may.",
    measured: true,
    step: "token",
  },
  meanKl: {
    title: "Mean KL divergence",
    unit: "nats",
    better: "lower",
    help:
      "From full to lossy predictions of the run's own tokens, over its first 512 decode steps; " +
      "lossy runs only.",
    measured: true,
    headline: true,
  },
  maxKl: {
    title: "Largest KL divergence",
    unit: "nats",
    better: "lower",
    help: "The worst of those decode steps.",
    measured: true,
  },
  argmaxAgreement: {
    title: "Same likeliest token",
    unit: "%",
    better: "higher",
    help: "Those decode steps where full and lossy predictions agree on the likeliest token.",
    measured: true,
  },
  expertMemoryMiB: {
    title: "Expert memory",
    unit: "MiB",
    better: "lower",
    help: "Memory of the slots that hold routed experts; at most the budget.",
    measured: false,
  },
  openMs: {
    title: "Opening",
    unit: "ms",
    better: "lower",
    help: "From the start of the compute thread's work to a model ready for the first prompt.",
    measured: true,
  },
} satisfies Record<string, MetricSpec>;

function isThrottled(link: DecodeConfig["link"]): boolean {
  return link.bandwidthMBps > 0 || link.latencyUs > 0;
}

/** The same work for all strategies: half of the experts, 400 MB/s from host memory. */
const COMPARED = {
  maxTokens: 128,
  ignoreEnd: true,
  budgetMiB: HALF_MIB,
  host: { budgetMiB: ALL_MIB },
  link: { bandwidthMBps: 400 },
} as const;

/** How fast a model decodes when only part of its experts fits in memory. */
export const decode = defineExperiment({
  kind: "moe-offload.decode",
  version: 2,
  title: "Decode under an expert memory budget",
  question:
    "How fast does a Mixture-of-Experts model decode when only part of its experts fits in memory?",
  paper: "arXiv:2502.12224",
  config: decodeConfig,
  presets: {
    quick: {
      title: "Quick",
      description: "LRU with a quarter of the experts in memory over a 200 MB/s link.",
      everywhere: true,
      config: { maxTokens: 64 },
    },
    "all-resident": {
      title: "All experts resident",
      description: "Memory for every expert: the fastest any policy can be.",
      everywhere: true,
      config: { policy: "all-resident", budgetMiB: ALL_MIB, maxTokens: 256, ignoreEnd: true },
    },
    "load-on-demand": {
      title: "Load on demand, 200 MB/s",
      description: "Nothing is kept: the slowest a policy should be.",
      everywhere: true,
      config: { policy: "on-demand", maxTokens: 128, ignoreEnd: true },
    },
    "lru-quarter": {
      title: "LRU, a quarter in memory, 200 MB/s",
      description: "The same work as load-on-demand, with a quarter of the experts kept.",
      everywhere: true,
      config: { policy: "lru", budgetMiB: QUARTER_MIB, maxTokens: 128, ignoreEnd: true },
    },
    lru: {
      title: "LRU, half in memory, 400 MB/s",
      description: "The cache of mixtral-offloading, for comparison with fate and ours.",
      everywhere: true,
      config: { ...COMPARED, policy: "lru" },
    },
    fate: {
      title: "Fate, half in memory, 400 MB/s",
      description: "Shallow-favouring ARC and the cross-layer gate with Fate's transfer budget.",
      everywhere: true,
      config: {
        ...COMPARED,
        policy: "fate",
        predictor: "cross-layer",
        prefetch: { control: "fate", width: 8 },
        readyFirst: true,
      },
    },
    "fate-low": {
      title: "Fate, low precision on a miss, 400 MB/s",
      description: "As fate, but what was not foreseen is computed in 2 to 4 bits. Lossy.",
      everywhere: true,
      config: {
        ...COMPARED,
        policy: "fate",
        predictor: "cross-layer",
        prefetch: { control: "fate", width: 8 },
        readyFirst: true,
        lowPrecision: { type: "q2_k" },
        // Host memory holds both copies of every expert.
        host: { budgetMiB: 2 * ALL_MIB },
      },
    },
    "moe-infinity": {
      title: "MoE-Infinity, half in memory, 400 MB/s",
      description: "Activation-matrix priorities and prefetch.",
      everywhere: true,
      config: {
        ...COMPARED,
        policy: "moe-infinity",
        predictor: "activation-matrix",
        prefetch: { control: "fixed", width: 2 },
      },
    },
    ours: {
      title: "Reuse score, half in memory, 400 MB/s",
      description: "Learned reuse score, prefetch only where it pays, ready experts first.",
      everywhere: true,
      config: {
        ...COMPARED,
        policy: "reuse",
        predictor: "layer-map",
        prefetch: { control: "adaptive" },
        readyFirst: true,
      },
    },
  },
  requires: ({ calibrationFile, device, model }) => ({
    tags: ["ggml"],
    ...(device !== "cpu" && { gpu: { device } }),
    files: textFiles({ model, textFile: calibrationFile }),
  }),
  fidelity: (config) =>
    config.policy !== "all-resident" &&
    (config.linkSpeed !== "" || [config.link, config.disk].some(isThrottled))
      ? "emulated"
      : "measured",
  metrics,
  views: [
    text(
      "output",
      "Text",
      "What the model wrote: the same however it was brought, in full precision.",
    ),
    line("tokenTime", "Time per token", "Stall is the part spent waiting for experts."),
    bars("tokenParts", "Where a token's time goes", "Loading beside computing costs no time."),
    heatmap("expertRouted", "Chosen experts", "How often the router chose each expert."),
    heatmap("expertLoads", "Loaded experts", "How often each expert had to be loaded."),
    timeline("pipeline", "Computing and loading", "Gaps in the compute lane are stalls."),
    table("layers", "By layer", "Hits, misses and bytes of each layer's experts."),
  ],
  load: () => import(/* turbopackIgnore: true */ "../decode/run.ts"),
});
