import { bars, defineExperiment, type MetricSpec, scatter, table } from "@fmlab/experiment";
import { z } from "zod";
import { PREFILL_STRATEGIES } from "../shape-run/prefill-names.ts";
import { SHAPE_NAMES } from "../shapes/shape-names.ts";
import { deviceField } from "./offload-fields.ts";

/** What Fate's budgets of 6, 7, 8 and 10 GB hold of Qwen1.5-MoE's 1,440 experts in 4 bits. */
const FATE_QWEN_SLOTS = [158, 356, 555, 952];
/** The same shares of DeepSeekMoE's 1,728. */
const FATE_DEEPSEEK_SLOTS = [190, 427, 666, 1142];
/** An expert of 4.87 MB in 0.43 ms, the transfer time on Fate's machine. */
const FATE_LINK_MBPS = 11_320;
/** The time of a decoder layer on Fate's machine, ms. */
const FATE_LAYER_MS = 3;

/** Config of `moe-offload.shape-prefill`. */
export const shapePrefillConfig = z.object({
  shape: z
    .enum(SHAPE_NAMES)
    .default("olmoe-1b-7b")
    .describe("Published model whose sizes are taken."),
  layers: z
    .number()
    .int()
    .min(0)
    .max(1024)
    .default(2)
    .describe("Layers that are kept, so that the rest fits; 0 keeps all."),
  widthDivisor: z
    .number()
    .int()
    .min(1)
    .max(16)
    .default(4)
    .describe("Divides the widths of the model, so that it fits; 1 is true to the model."),
  storage: z
    .enum(["Q4_0", "Q8_0", "F16", "Q4_K"])
    .default("Q4_0")
    .describe("Type of all matrices."),
  device: deviceField,
  slots: z
    .array(z.number().int().min(1).max(1_000_000))
    .min(1)
    .max(16)
    .default([48, 96])
    .describe("Experts that fast memory holds, staging included; one after the other."),
  strategies: z
    .array(z.enum(PREFILL_STRATEGIES))
    .min(1)
    .max(16)
    .default(["load-on-demand", "fate", "waves", "planned"])
    .describe(
      "One after the other on the same prompts. waves, waves-gated: ours, the latter with the " +
        "next layer's gate; planned: what passes in virtual time say is fastest.",
    ),
  promptTokens: z
    .array(z.number().int().min(2).max(16_384))
    .min(1)
    .max(8)
    .default([32])
    .describe("Lengths of prompts, in tokens; each is evaluated as one batch."),
  prompts: z
    .number()
    .int()
    .min(1)
    .max(64)
    .default(3)
    .describe("Prompts counted in each cell, after one that is not."),
  linkMBps: z
    .number()
    .min(0)
    .max(1_000_000)
    .default(0)
    .describe("Bandwidth into fast memory, MB/s (1 MB = 1e6 bytes); 0: as fast as the machine is."),
  layerMs: z
    .number()
    .min(0)
    .max(1000)
    .default(0)
    .describe(
      "Attention and router of a layer take at least so long, to stand for a slower machine, ms; " +
        "0: no limit.",
    ),
  trainingTokens: z
    .number()
    .int()
    .min(1)
    .max(100_000)
    .default(256)
    .describe("Tokens of the same routers that strategies learn from before."),
  threads: z.number().int().min(1).max(64).default(1).describe("Compute threads of the CPU."),
});
export type ShapePrefillConfig = z.output<typeof shapePrefillConfig>;

const metrics = {
  prefillTokensPerSecond: {
    title: "Prefill speed",
    unit: "tok/s",
    better: "higher",
    help: "Prompt tokens over the mean time of a prompt; by cell. The run's: the cells' median.",
    measured: true,
    headline: true,
    step: "cell",
  },
  residentTokensPerSecond: {
    title: "All resident",
    unit: "tok/s",
    better: "higher",
    help: "Prefill speed with every expert in fast memory, of the longest prompts.",
    measured: true,
  },
  linkMBps: {
    title: "Link",
    unit: "MB/s",
    better: "higher",
    help: "Measured over copies of experts that wait for nothing.",
    measured: true,
  },
  boundShare: {
    title: "Share of the bound",
    unit: "%",
    better: "higher",
    help: "max(resident time, missed bytes / link) over the time of a prompt; median over cells.",
    measured: true,
    headline: true,
  },
  oursOverFate: {
    title: "Ours over Fate",
    unit: "x",
    better: "higher",
    help: "Planned speed, or that of `waves`, over that of `fate`; geometric mean over cells.",
    measured: true,
    headline: true,
  },
  oursOverFateLow: {
    title: "Ours over Fate, at least",
    unit: "x",
    better: "higher",
    help: "Lower 95 % bound of the ratio paired by prompts; of the worst cell.",
    measured: true,
  },
  fateOverLoadOnDemand: {
    title: "Fate over load on demand",
    unit: "x",
    better: "higher",
    help: "The same of `fate` over `load-on-demand`.",
    measured: true,
  },
  fateOverMoeInfinity: {
    title: "Fate over MoE-Infinity",
    unit: "x",
    better: "higher",
    help: "The same of `fate` over `moe-infinity`.",
    measured: true,
  },
} satisfies Record<string, MetricSpec>;

const LABEL = "Random content, simulated routing.";
const RIVALS = ["load-on-demand", "moe-infinity", "fate", "waves", "planned"] as const;

/** Prompts of up to 512 tokens, as in Fate's evaluation. */
const fatePrompts = {
  layers: 0,
  widthDivisor: 1,
  device: "cuda" as const,
  strategies: [...RIVALS],
  promptTokens: [128, 512],
  prompts: 6,
  trainingTokens: 4096,
};

/** How fast prompts of published models would be evaluated here, without their weights. */
export const shapePrefill = defineExperiment({
  kind: "moe-offload.shape-prefill",
  version: 1,
  title: "Prompts of published models without their weights",
  question:
    "How fast would a published model read prompts here, when part of its experts fits in memory?",
  paper: "arXiv:2502.12224",
  config: shapePrefillConfig,
  presets: {
    quick: {
      title: "Quick",
      description:
        "Prompts of 32 tokens, two layers of OLMoE a quarter as wide on the CPU, two budgets.",
      everywhere: true,
      config: {},
    },
    "fate-qwen-prefill": {
      title: "Fate's Qwen1.5-MoE",
      description: "Its budgets, with layers and copies as slow as on Fate's machine.",
      config: {
        ...fatePrompts,
        shape: "qwen1.5-moe-a2.7b",
        slots: FATE_QWEN_SLOTS,
        linkMBps: FATE_LINK_MBPS,
        layerMs: FATE_LAYER_MS,
      },
    },
    "fate-deepseek-prefill": {
      title: "Fate's DeepSeekMoE",
      description: "The same shares of its experts, with layers and copies as slow.",
      config: {
        ...fatePrompts,
        shape: "deepseek-moe-16b",
        slots: FATE_DEEPSEEK_SLOTS,
        linkMBps: FATE_LINK_MBPS,
        layerMs: FATE_LAYER_MS,
      },
    },
    "full-speed-qwen-prefill": {
      title: "Qwen1.5-MoE as fast as the card is",
      description: "Fate's budgets without any limit.",
      config: { ...fatePrompts, shape: "qwen1.5-moe-a2.7b", slots: FATE_QWEN_SLOTS },
    },
    "full-speed-deepseek-prefill": {
      title: "DeepSeekMoE as fast as the card is",
      description: "The same shares of its experts without any limit.",
      config: { ...fatePrompts, shape: "deepseek-moe-16b", slots: FATE_DEEPSEEK_SLOTS },
    },
  },
  requires: ({ device }) => ({
    tags: ["ggml"],
    ...(device !== "cpu" && { gpu: { device } }),
  }),
  fidelity: ({ layerMs, linkMBps }) => (layerMs > 0 || linkMBps > 0 ? "emulated" : "measured"),
  metrics,
  views: [
    table(
      "cells",
      "By cell",
      "A cell is a strategy with so many experts in fast memory and prompts of one length. A shape " +
        "with random content, its routing and what its gates foresee replayed from a generated " +
        "trace: times and bytes mean something, text does not.",
    ),
    scatter(
      "front",
      "Memory and speed",
      `Up and left is best; one group for each strategy and length. ${LABEL}`,
    ),
    bars("speed", "Prefill speed", `Tokens a second by cell. ${LABEL}`),
  ],
  load: () => import(/* turbopackIgnore: true */ "../shape-run/prefill-run.ts"),
});
