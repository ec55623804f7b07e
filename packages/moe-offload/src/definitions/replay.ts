import {
  bars,
  defineExperiment,
  heatmap,
  type MetricSpec,
  scatter,
  table,
} from "@fmlab/experiment";
import { z } from "zod";
import { STRATEGY_NAMES } from "../offload/strategies.ts";
import { PREFETCH_CONTROLS } from "../offload/strategy-names.ts";
import { MACHINE_NAMES } from "../planner/planner-machine.ts";
import { POLICY_NAMES } from "../policies/names.ts";
import { PREDICTOR_NAMES } from "../predictors/names.ts";
import { deviceField, modelField, modelFile } from "./offload-fields.ts";
import { cpuTimesField, shapeFields, traceFields, wholeNumber } from "./workload-fields.ts";

/** Where a replay's routing comes from. */
const TRACE_SOURCES = ["own-text", "file", "generated"] as const;

/** Config of `moe-offload.replay`. */
export const replayConfig = z.object({
  trace: z
    .enum(TRACE_SOURCES)
    .default("own-text")
    .describe(
      "own-text: what the model's routers choose on text it writes now; file: a recorded trace; " +
        "generated: for a shape without weights.",
    ),
  model: modelField,
  traceFile: z
    .string()
    .max(1024)
    .default("")
    .describe("Trace for `trace: file`, in the data folder; its sizes are `shape`'s or expertMiB.")
    .meta({ file: "data" }),
  ...shapeFields,
  ...traceFields(1024, 2048),
  strategies: z
    .array(z.enum(STRATEGY_NAMES as [string, ...string[]]))
    .max(24)
    .default(["load-on-demand", "lru", "fate", "ours"])
    .describe("Published systems and ours by name, each with its own prefetching."),
  policies: z
    .array(z.enum(POLICY_NAMES))
    .max(POLICY_NAMES.length)
    .default([])
    .describe("Policies to combine with every one of `predictors`, beside the strategies."),
  predictors: z
    .array(z.enum(PREDICTOR_NAMES))
    .max(PREDICTOR_NAMES.length)
    .default([])
    .describe("Predictors to combine with every one of `policies`; none of them: no prefetching."),
  prefetch: z
    .object({
      control: z
        .enum(PREFETCH_CONTROLS)
        .default("adaptive")
        .describe("How predictions of these combinations are acted on."),
      width: wholeNumber(0, 64, 4).describe("Most predictions per layer that are considered."),
      depth: wholeNumber(1, 3, 1).describe("Layers ahead that are predicted."),
    })
    .prefault({})
    .describe("Prefetching of the combinations of policies and predictors."),
  readyFirst: z
    .boolean()
    .default(true)
    .describe("In these combinations, experts that are there compute while others arrive."),
  budgetsPercent: z
    .array(z.number().positive().max(100))
    .max(32)
    .default([25, 50, 75])
    .describe("Fast memory for routed experts, staging included, percent of all of them."),
  budgetsMiB: z
    .array(z.number().positive().max(16_777_216))
    .max(32)
    .default([])
    .describe("The same in MiB, beside those in percent."),
  machine: z
    .enum(["none", ...MACHINE_NAMES])
    .default("none")
    .describe("A named machine: its link, its host memory and, of a card, its compute times."),
  bandwidthsMBps: z
    .array(z.number().positive().max(1_000_000))
    .max(16)
    .default([])
    .describe("Links into fast memory, MB/s; none: the machine's, or 400 without a machine."),
  latencyUs: z
    .number()
    .min(0)
    .max(1_000_000)
    .default(0)
    .describe("Delay before each expert's first byte, microseconds; at least the machine's."),
  queueDepth: wholeNumber(1, 256, 1).describe("Transfers under way at once."),
  compute: z
    .enum(["assumed", "measured"])
    .default("assumed")
    .describe(
      "assumed: as fast as weights are read, or as a paper measured; the same in every run. " +
        "measured: the model's graphs on this machine.",
    ),
  processorMBps: z
    .number()
    .positive()
    .max(100_000_000)
    .default(20_000)
    .describe("How fast a processor reads weights, MB/s, for machines without a card."),
  device: deviceField.describe(
    "Where the model is computed while its routing is recorded and its compute times are measured.",
  ),
  threads: wholeNumber(1, 64, 1).describe("Compute threads while a trace is recorded."),
  cpuExperts: cpuTimesField,
});
export type ReplayConfig = z.output<typeof replayConfig>;

const metrics = {
  tokensPerSecond: {
    title: "Predicted speed",
    unit: "tok/s",
    better: "higher",
    help: "Tokens over virtual time; by strategy and cell. The run's: the fastest causal cell.",
    measured: false,
    headline: true,
    step: "cell",
  },
  hitRate: {
    title: "Hit rate",
    unit: "%",
    better: "higher",
    help:
      "Expert uses that found the expert there or on its way; by strategy and cell. The run's, " +
      "as of all that follow: the fastest causal cell's.",
    measured: false,
    headline: true,
    step: "cell",
  },
  stallMsPerToken: {
    title: "Stall per token",
    unit: "ms",
    better: "lower",
    help: "Time per token in which computing waited for experts; by strategy and cell.",
    measured: false,
    step: "cell",
  },
  bytesPerToken: {
    title: "Loaded per token",
    unit: "B",
    better: "lower",
    help: "Expert bytes over the link per token, prefetched ones included; by strategy and cell.",
    measured: false,
    headline: true,
    step: "cell",
  },
  boundTokensPerSecond: {
    title: "Bound of the same loads",
    unit: "tok/s",
    better: "higher",
    help: "The slower of computing and moving what was needed; by strategy and cell.",
    measured: false,
    step: "cell",
  },
  beladyTokensPerSecond: {
    title: "Best possible",
    unit: "tok/s",
    better: "higher",
    help: "Belady's eviction with every prefetch right, at the memory and link of the same cell.",
    measured: false,
    headline: true,
    step: "cell",
  },
} satisfies Record<string, MetricSpec>;

/** The strategies of Fate's decode figures: its baselines, itself, and ours. */
const FATE_STRATEGIES = ["load-on-demand", "moe-infinity", "fate", "ours"];

/**
 * Expert slots that Fate's formula leaves of 6, 7, 8, 10 and 12 GB for Qwen1.5-MoE, as MiB of its
 * INT4 experts of 5.156 MiB with their scales: 158, 356, 555, 952 and 1349 slots (released code,
 * utils/memory_cost.py, worked out in the survey's section 1.4).
 */
const FATE_EXPERT_MIB = 5.157;
const FATE_QWEN_MIB = [158, 356, 555, 952, 1349].map((slots) => slots * FATE_EXPERT_MIB);
/**
 * The same for DeepSeekMoE at 7, 8, 10 and 12 GB: 167, 366, 763 and 1160 slots. A reconstruction:
 * the formula's terms with this model's sizes and its 1,400 MiB of slack.
 */
const FATE_DEEPSEEK_MIB = [167, 366, 763, 1160].map((slots) => slots * FATE_EXPERT_MIB);

/** Any policy, predictor, memory and link on a trace of routing, in virtual time. */
export const replay = defineExperiment({
  kind: "moe-offload.replay",
  version: 1,
  title: "Replay of a routing trace",
  question: "How fast would each policy and predictor be with this memory, link and machine?",
  paper: "arXiv:2502.12224",
  config: replayConfig,
  presets: {
    quick: {
      title: "Quick",
      description:
        "The shipped model's own text: four strategies, three memories, 400 MB/s; simulated.",
      everywhere: true,
      config: { tokens: 512, learnTokens: 1024 },
    },
    "memory-and-link": {
      title: "Memory and link",
      description: "Every strategy on the shipped model's own text at four links; simulated.",
      everywhere: true,
      config: {
        strategies: STRATEGY_NAMES,
        bandwidthsMBps: [100, 400, 1600, 3200],
        learnTokens: 4096,
      },
    },
    "policies-and-predictors": {
      title: "Policies and predictors",
      description:
        "All combinations of five policies and four predictors at half the memory; simulated.",
      everywhere: true,
      config: {
        strategies: [],
        policies: ["lru", "lfu", "arc", "least-stale", "reuse"],
        predictors: ["none", "cross-layer", "correlation", "previous-token"],
        budgetsPercent: [50],
      },
    },
    "fate-qwen": {
      title: "Fate: Qwen1.5-MoE on an RTX 3090",
      description:
        "The setting of Fate's decode comparison: its memories of 6 to 12 GB by its own formula, " +
        "generated routing; simulated.",
      config: {
        trace: "generated",
        shape: "qwen1.5-moe-a2.7b",
        expertMiB: 5.156,
        strategies: FATE_STRATEGIES,
        budgetsPercent: [],
        budgetsMiB: FATE_QWEN_MIB,
        machine: "rtx3090-pcie3",
      },
    },
    "fate-qwen-low-end": {
      title: "Fate: Qwen1.5-MoE on a GTX 1080 Ti",
      description: "The same at 4 GB/s, the slower of two readings of the paper; simulated.",
      config: {
        trace: "generated",
        shape: "qwen1.5-moe-a2.7b",
        expertMiB: 5.156,
        strategies: FATE_STRATEGIES,
        budgetsPercent: [],
        budgetsMiB: FATE_QWEN_MIB.slice(0, 4),
        machine: "gtx1080ti",
      },
    },
    "fate-deepseek": {
      title: "Fate: DeepSeekMoE on an RTX 3090",
      description:
        "The setting of Fate's decode comparison: its memories of 7 to 12 GB by its own formula, " +
        "generated routing; simulated.",
      config: {
        trace: "generated",
        shape: "deepseek-moe-16b",
        expertMiB: 5.156,
        strategies: FATE_STRATEGIES,
        budgetsPercent: [],
        budgetsMiB: FATE_DEEPSEEK_MIB,
        machine: "rtx3090-pcie3",
      },
    },
    "fate-deepseek-low-end": {
      title: "Fate: DeepSeekMoE on a GTX 1080 Ti",
      description: "The same at 4 GB/s, the slower of two readings of the paper; simulated.",
      config: {
        trace: "generated",
        shape: "deepseek-moe-16b",
        expertMiB: 5.156,
        strategies: FATE_STRATEGIES,
        budgetsPercent: [],
        budgetsMiB: FATE_DEEPSEEK_MIB.slice(0, 3),
        machine: "gtx1080ti",
      },
    },
    "moe-infinity-dsv2lite": {
      title: "MoE-Infinity: DeepSeek-V2-Lite on an RTX A5000",
      description:
        "A model and a card that MoE-Infinity is measured with: generated routing, experts in " +
        "F16, a quarter to three quarters of them in memory; simulated.",
      config: {
        trace: "generated",
        shape: "deepseek-v2-lite",
        storage: "F16",
        strategies: ["load-on-demand", "lru", "mixtral-offloading", "moe-infinity", "ours"],
        machine: "a5000-pcie4",
      },
    },
    olmoe: {
      title: "OLMoE on an RTX 3090",
      description: "Generated routing, experts in Q4_0, a quarter to three quarters; simulated.",
      config: {
        trace: "generated",
        shape: "olmoe-1b-7b",
        strategies: ["load-on-demand", "lru", "fate", "moe-infinity", "hybrimoe", "ours"],
        machine: "rtx3090-pcie3",
      },
    },
    mixtral: {
      title: "Mixtral 8x7B on an RTX 3090, PCIe 4",
      description: "Generated routing, experts in Q4_0, a quarter to three quarters; simulated.",
      config: {
        trace: "generated",
        shape: "mixtral-8x7b",
        strategies: ["load-on-demand", "lru", "mixtral-offloading", "klotski-prefetch", "ours"],
        machine: "rtx3090-pcie4",
      },
    },
  },
  requires: (config) => {
    const needsModel = config.trace === "own-text" || config.compute === "measured";
    const file = {
      path: config.traceFile,
      room: "data" as const,
      source: "a run that recorded it",
      licence: "that of the model and the text",
    };
    return {
      tags: needsModel ? ["ggml"] : [],
      ...(needsModel && config.device !== "cpu" && { gpu: { device: config.device } }),
      files: [
        ...(needsModel ? [modelFile(config.model)] : []),
        ...(config.trace === "file" && config.traceFile !== "" ? [file] : []),
      ],
    };
  },
  fidelity: () => "simulated",
  metrics,
  views: [
    scatter(
      "speed",
      "Memory and speed",
      "Predicted in virtual time: each strategy by memory; the bound knows the future.",
    ),
    bars(
      "tokenTime",
      "Time per token",
      "Predicted in virtual time: what a token's time goes to, at the middle memory.",
    ),
    bars("layerHits", "Hits by layer", "Where each strategy has its hits, at the middle memory."),
    heatmap(
      "expertUses",
      "Chosen experts",
      "How often the routers of the trace chose each expert.",
    ),
    heatmap("hitsByLayer", "Hits by cell and layer", "Every cell, layer by layer."),
    table(
      "cells",
      "All cells",
      "Predicted in virtual time: speed, hits, stall, bytes and both bounds of each cell.",
    ),
    table("assumptions", "What is assumed", "Where routing, sizes, times and links come from."),
  ],
  load: () => import(/* turbopackIgnore: true */ "../replay-run/run.ts"),
});
