import { bars, defineExperiment, type MetricSpec, scatter, table } from "@fmlab/experiment";
import { z } from "zod";
import { DEVICES } from "../engine/device/device-names.ts";
import { STRATEGY_NAMES } from "../offload/strategies.ts";
import { CELL_CPU_CHOICES } from "../shape-run/cell-cpu.ts";
import { SHAPE_NAMES } from "../shapes/shape-model.ts";
import { cpuExpertThreads } from "./offload-fields.ts";
import { linkSpeedField, vramField } from "./sizes.ts";

/** What Fate's budgets of 6, 7, 8 and 10 GB hold of Qwen1.5-MoE's 1,440 experts in 4 bits. */
const FATE_QWEN_SLOTS = [158, 356, 555, 952];
/** The same shares of DeepSeekMoE's 1,728. */
const FATE_DEEPSEEK_SLOTS = [190, 427, 666, 1142];
/** An expert of 4.87 MB in 0.43 ms, the transfer time on Fate's machine. */
const FATE_LINK_MBPS = 11_320;
/** The time of a decoder layer on Fate's machine, ms. */
const FATE_LAYER_MS = 3;

/** Config of `moe-offload.shape`. */
export const shapeConfig = z.object({
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
  storage: z
    .enum(["Q4_0", "Q8_0", "F16", "Q4_K"])
    .default("Q4_0")
    .describe("Type of all matrices."),
  device: z
    .enum(DEVICES)
    .default("cpu")
    .describe(
      "Where it is computed; on a card its memory is the fast one, pinned memory the next.",
    ),
  slots: z
    .array(z.number().int().min(1).max(1_000_000))
    .min(1)
    .max(16)
    .default([24, 64])
    .describe("Experts that fast memory holds, staging included; one after the other."),
  strategies: z
    .array(z.enum([...STRATEGY_NAMES, "planned"]))
    .min(1)
    .max(16)
    .default(["load-on-demand", "lru", "fate", "planned"])
    .describe(
      "Strategies, one after the other on the same routing; planned: what a replay says is fastest.",
    ),
  linkMBps: z
    .number()
    .min(0)
    .max(1_000_000)
    .default(0)
    .describe("Bandwidth into fast memory, MB/s (1 MB = 1e6 bytes); 0: as fast as the machine is."),
  vram: vramField("slots"),
  linkSpeed: linkSpeedField("linkMBps"),
  layerMs: z
    .number()
    .min(0)
    .max(1000)
    .default(0)
    .describe("A layer takes at least so long, to stand for a slower machine, ms; 0: no limit."),
  sequences: z.number().int().min(1).max(64).default(1).describe("Texts of the trace."),
  tokens: z.number().int().min(2).max(4096).default(24).describe("Tokens of a text."),
  warmupTokens: z
    .number()
    .int()
    .min(0)
    .max(4095)
    .default(8)
    .describe("Tokens at the start of each text that are not counted."),
  trainingTokens: z
    .number()
    .int()
    .min(1)
    .max(100_000)
    .default(256)
    .describe("Tokens of the same routers that strategies learn from before."),
  threads: z.number().int().min(1).max(64).default(1).describe("Compute threads of the CPU."),
  cpuExperts: z
    .object({
      threads: cpuExpertThreads,
      choice: z
        .enum(CELL_CPU_CHOICES)
        .default("planned")
        .describe(
          "planned: planned cells share misses between link and CPU where a replay says that it " +
            "is faster. balanced: all cells do; always: in all cells the CPU computes every miss.",
        ),
    })
    .prefault({})
    .describe("On a card: missed experts computed by the CPU from host memory."),
});
export type ShapeConfig = z.output<typeof shapeConfig>;

const metrics = {
  decodeTokensPerSecond: {
    title: "Decode speed",
    unit: "tok/s",
    better: "higher",
    help: "Counted tokens over the time they took; by cell. The run's: the median of its cells.",
    measured: true,
    headline: true,
    step: "cell",
  },
  residentTokensPerSecond: {
    title: "All resident",
    unit: "tok/s",
    better: "higher",
    help: "Decode speed with every expert in fast memory, a token as one graph.",
    measured: true,
  },
  linkMBps: {
    title: "Link",
    unit: "MB/s",
    better: "higher",
    help: "Measured over copies of experts that wait for nothing.",
    measured: true,
  },
  cpuExpertMs: {
    title: "Expert on the CPU",
    unit: "ms",
    better: "lower",
    help: "Measured over experts anywhere in host memory; where the CPU may compute missed ones.",
    measured: true,
  },
  boundShare: {
    title: "Share of the bound",
    unit: "%",
    better: "higher",
    help:
      "max(computing with all resident, missed bytes / link) over the time of a token; median. " +
      "Missed bytes are copied ones: what the CPU computed is not among them.",
    measured: true,
    headline: true,
  },
  oursOverFate: {
    title: "Ours over Fate",
    unit: "x",
    better: "higher",
    help: "Planned speed, or that of `ours`, over that of `fate`; geometric mean over budgets.",
    measured: true,
    headline: true,
  },
  oursOverFateLow: {
    title: "Ours over Fate, at least",
    unit: "x",
    better: "higher",
    help: "Lower 95 % bound of the paired ratio, blocks of 16 tokens; of the worst budget.",
    measured: true,
  },
  fateOverLoadOnDemand: {
    title: "Fate over load on demand",
    unit: "x",
    better: "higher",
    help: "The same of `fate` over `load-on-demand`.",
    measured: true,
  },
} satisfies Record<string, MetricSpec>;

/** What Fate was measured against, and what a plan chooses. */
const FATE_RIVALS = ["load-on-demand", "moe-infinity", "fate", "planned"] as const;
const ALL_RIVALS = ["load-on-demand", "lru", "moe-infinity", "fate", "ours", "planned"] as const;

/** Shares of all experts that fast memory holds in a sweep of memory against speed. */
const SWEEP_SHARES = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.75, 0.9];

const SWEEP_RIVALS = ["load-on-demand", "lru", "fate", "planned"] as const;

/** Decode speed by how many of a model's experts fast memory holds, as fast as the card is. */
function memorySpeed(title: string, shape: (typeof SHAPE_NAMES)[number], expertCount: number) {
  return {
    title: `${title}: memory against speed`,
    description: "Budgets from a tenth to nine tenths of its experts, without any limit.",
    config: {
      shape,
      layers: 0,
      device: "cuda" as const,
      slots: SWEEP_SHARES.map((share) => Math.round(share * expertCount)),
      strategies: [...SWEEP_RIVALS],
      sequences: 1,
      tokens: 96,
      warmupTokens: 32,
      trainingTokens: 1024,
    },
  };
}

/** How fast published models would decode on this machine, without their weights. */
export const shape = defineExperiment({
  kind: "moe-offload.shape",
  version: 1,
  title: "Published models without their weights",
  question:
    "How fast would a published model decode here, when part of its experts fits in memory?",
  paper: "arXiv:2502.12224",
  config: shapeConfig,
  presets: {
    quick: {
      title: "Quick",
      description: "Two layers of OLMoE on the CPU, four strategies, two budgets.",
      everywhere: true,
      config: {},
    },
    "fate-qwen": {
      title: "Fate's Qwen1.5-MoE",
      description: "Its budgets, with layers and copies as slow as on Fate's machine.",
      config: {
        shape: "qwen1.5-moe-a2.7b",
        layers: 0,
        device: "cuda",
        slots: FATE_QWEN_SLOTS,
        strategies: [...FATE_RIVALS],
        linkMBps: FATE_LINK_MBPS,
        layerMs: FATE_LAYER_MS,
        sequences: 2,
        tokens: 56,
        warmupTokens: 24,
        trainingTokens: 2048,
      },
    },
    "fate-deepseek": {
      title: "Fate's DeepSeekMoE",
      description: "The same shares of its experts, with layers and copies as slow.",
      config: {
        shape: "deepseek-moe-16b",
        layers: 0,
        device: "cuda",
        slots: FATE_DEEPSEEK_SLOTS,
        strategies: [...FATE_RIVALS],
        linkMBps: FATE_LINK_MBPS,
        layerMs: FATE_LAYER_MS,
        sequences: 2,
        tokens: 56,
        warmupTokens: 24,
        trainingTokens: 2048,
      },
    },
    "full-speed-qwen": {
      title: "Qwen1.5-MoE as fast as the card is",
      description: "Fate's budgets without any limit.",
      config: {
        shape: "qwen1.5-moe-a2.7b",
        layers: 0,
        device: "cuda",
        slots: FATE_QWEN_SLOTS,
        strategies: [...ALL_RIVALS],
        sequences: 4,
        tokens: 160,
        warmupTokens: 32,
        trainingTokens: 2048,
      },
    },
    "full-speed-deepseek": {
      title: "DeepSeekMoE as fast as the card is",
      description: "The same shares of its experts without any limit.",
      config: {
        shape: "deepseek-moe-16b",
        layers: 0,
        device: "cuda",
        slots: FATE_DEEPSEEK_SLOTS,
        strategies: [...ALL_RIVALS],
        sequences: 4,
        tokens: 160,
        warmupTokens: 32,
        trainingTokens: 2048,
      },
    },
    "memory-speed-olmoe": memorySpeed("OLMoE", "olmoe-1b-7b", 1024),
    "memory-speed-qwen3": memorySpeed("Qwen3-30B-A3B", "qwen3-30b-a3b", 6144),
    "memory-speed-mixtral": memorySpeed("Mixtral 8x7B", "mixtral-8x7b", 256),
  },
  requires: ({ device }) => ({
    tags: ["ggml"],
    ...(device !== "cpu" && { gpu: { device } }),
  }),
  fidelity: ({ layerMs, linkMBps, linkSpeed, vram }) =>
    layerMs > 0 || linkMBps > 0 || linkSpeed !== "" || vram !== "" ? "emulated" : "measured",
  metrics,
  views: [
    table(
      "cells",
      "By cell",
      "A cell is a strategy with so many experts in fast memory. A shape with random content, its " +
        "routing replayed from a generated trace: times and bytes mean something, text does not. " +
        "Missed: bytes that were demanded, or prefetched and used; the bound is computing or " +
        "copying them, whichever takes longer. What the CPU computed is not among them.",
    ),
    table(
      "foresight",
      "With foresight",
      "Simulated: the same texts replayed in virtual time, with the times measured here, for those " +
        "who know the future. Experts are missed in bursts, so nobody reaches the bound everywhere.",
    ),
    scatter(
      "front",
      "Memory and speed",
      "Up and left is best; one group for each strategy. Random content, simulated routing.",
    ),
    bars("speed", "Decode speed", "Tokens a second by cell. Random content, simulated routing."),
  ],
  load: () => import(/* turbopackIgnore: true */ "../shape-run/run.ts"),
});
