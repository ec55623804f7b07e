import { bars, defineExperiment, type MetricSpec, table, timeline } from "@fmlab/experiment";
import { z } from "zod";
import { DEVICES } from "../engine/device/device-names.ts";
import { SHAPE_NAMES } from "../shapes/shape-names.ts";
import { SCHEDULE_NAMES, type ScheduleName } from "../throughput/schedules.ts";

/** A whole number in a form. */
const count = (min: number, max: number, preset: number) =>
  z.number().int().min(min).max(max).default(preset);

/** The steps of Klotski's ablation that change nothing of what is computed, and ours beyond it. */
const ABLATION: ScheduleName[] = [
  "simple-pipeline",
  "zig-zag",
  "hot-prefetch",
  "klotski",
  "aggressive",
];
/** As in the paper, with experts of four bits at the end; for shapes stored wider. */
const ABLATION_16_BIT: ScheduleName[] = [...ABLATION.slice(0, 4), "klotski-q", "aggressive"];

/**
 * Of the link on Klotski's first machine, MB/s: its figures give 2367 ms for ten times the eight
 * experts of a layer (352 MB each at 16 bits) without groups.
 */
const KLOTSKI_LINK_MBPS = 11_900;

/** Config of `moe-offload.shape-groups`. */
export const shapeGroupsConfig = z.object({
  shape: z
    .enum(SHAPE_NAMES)
    .default("mixtral-8x7b")
    .describe("Published model whose sizes are taken."),
  layers: count(0, 1024, 3).describe("Layers that are kept, so that the rest fits; 0 keeps all."),
  widthDivisor: count(1, 64, 8).describe("Divides widths, so that the rest fits; 1: true sizes."),
  storage: z
    .enum(["Q4_0", "Q8_0", "F16", "Q4_K"])
    .default("Q4_0")
    .describe("Type of all matrices; klotski-q has experts of Q4_0 in more slots."),
  device: z
    .enum(DEVICES)
    .default("cpu")
    .describe(
      "Where it is computed; on a card its memory is the fast one, pinned memory the next.",
    ),
  slots: count(1, 1_000_000, 8).describe("Experts that fast memory holds, staging included."),
  schedules: z
    .array(z.enum(SCHEDULE_NAMES))
    .min(1)
    .max(SCHEDULE_NAMES.length)
    .default(ABLATION)
    .describe("How batches go through the layers, one after the other at equal memory."),
  sequencesPerBatch: count(1, 1024, 2).describe("Sequences that are computed as one batch (B)."),
  batches: count(1, 1024, 3).describe("Batches of a group (n)."),
  loneBatches: count(1, 1024, 1).describe(
    "Batches that schedules run which do not share loads; their speed does not depend on it.",
  ),
  promptTokens: count(1, 100_000, 12).describe("Tokens of each prompt."),
  outputTokens: count(2, 100_000, 14).describe("Tokens generated after each prompt."),
  texts: count(0, 100_000, 0).describe(
    "Texts whose routing differs; further sequences repeat them. 0: as many as sequences.",
  ),
  trainingTokens: count(1, 100_000, 256).describe(
    "Tokens of other texts that the table of correlations is built from.",
  ),
  hotCount: count(0, 4096, 0).describe(
    "Hot experts prefetched (K); 0 for as many as a token uses.",
  ),
  linkMBps: z
    .number()
    .min(0)
    .max(1_000_000)
    .default(400)
    .describe("Bandwidth into fast memory, MB/s (1 MB = 1e6 bytes); 0: as fast as the machine is."),
  repeats: count(1, 32, 1).describe(
    "How often every schedule runs, in random order after the first.",
  ),
  timelineSteps: count(0, 64, 1).describe("Decode steps in the timeline."),
  threads: count(1, 64, 1).describe("Compute threads of the CPU."),
});
export type ShapeGroupsConfig = z.output<typeof shapeGroupsConfig>;

const metrics = {
  tokensPerSecond: {
    title: "Throughput",
    unit: "tok/s",
    better: "higher",
    help:
      "Generated tokens over the time of prompts and generation; by schedule. The run's, as of " +
      "loads, bubbles and bound: that of klotski, or of the last schedule.",
    measured: true,
    headline: true,
    step: "schedule",
  },
  overFirst: {
    title: "Over the first schedule",
    unit: "x",
    better: "higher",
    help: "Throughput of klotski, or of the last schedule, over that of the first.",
    measured: true,
    headline: true,
  },
  overFirstLow: {
    title: "Over the first schedule, at least",
    unit: "x",
    better: "higher",
    help: "Lower 95 % bound of that ratio, paired by blocks of four decode steps.",
    measured: true,
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
  idleShare: {
    title: "No graph computed",
    unit: "%",
    better: "lower",
    help: "Share of the time outside graphs: bubbles, and the host's own work.",
    measured: true,
  },
  bytesPerToken: {
    title: "Loaded per token",
    unit: "B",
    better: "lower",
    help: "Expert bytes over the link per generated token, prompts included; by schedule.",
    measured: true,
    step: "schedule",
  },
  boundShare: {
    title: "Share of the bound",
    unit: "%",
    better: "higher",
    help: "max(time in graphs, bytes / link) over the time taken.",
    measured: true,
  },
  linkMBps: {
    title: "Link",
    unit: "MB/s",
    better: "higher",
    help: "Measured over copies of experts that wait for nothing.",
    measured: true,
  },
  vramBytes: {
    title: "Memory of the card",
    unit: "B",
    better: "lower",
    help: "Most that was taken, everything included, as the card says between steps.",
    measured: true,
  },
} satisfies Record<string, MetricSpec>;

/** What stands on every picture. */
const LABEL = "Random content, simulated routing.";

/** How fast groups of batches of a published model would run on this machine. */
export const shapeGroups = defineExperiment({
  kind: "moe-offload.shape-groups",
  version: 1,
  title: "Batch groups of published models without their weights",
  question:
    "How many tokens a second would groups of batches of a published model generate here, when " +
    "part of its experts fits in memory?",
  paper: "arXiv:2502.06888",
  config: shapeGroupsConfig,
  presets: {
    quick: {
      title: "Quick",
      description: "Three layers of Mixtral an eighth as wide on the CPU, six short sequences.",
      everywhere: true,
      config: {},
    },
    "klotski-mixtral": {
      title: "Klotski's Mixtral 8x7B",
      description:
        "Its workload with 24 GB's share of the experts and its first machine's link; 12 layers.",
      config: {
        ...workload(15),
        shape: "mixtral-8x7b",
        layers: 12,
        slots: 21,
        linkMBps: KLOTSKI_LINK_MBPS,
      },
    },
    "klotski-mixtral-full-speed": {
      title: "Klotski's Mixtral 8x7B as fast as the card is",
      description: "The same share of the experts without any limit; 16 layers.",
      config: { ...workload(15), shape: "mixtral-8x7b", layers: 16, slots: 28 },
    },
    "klotski-mixtral-f16": {
      title: "Klotski's Mixtral 8x7B at 16 bits",
      description:
        "As the paper stores it, as fast as the card is, with quantised experts; 6 layers.",
      config: {
        ...workload(15),
        shape: "mixtral-8x7b",
        layers: 6,
        storage: "F16",
        slots: 11,
        schedules: ABLATION_16_BIT,
      },
    },
    "klotski-mixtral-8x22b": {
      title: "Klotski's Mixtral 8x22B",
      description:
        "Its workload with 80 GB's share of the experts, as fast as the card; 14 layers.",
      config: { ...workload(15), shape: "mixtral-8x22b", layers: 14, slots: 30 },
    },
  },
  requires: ({ device }) => ({
    tags: ["ggml"],
    ...(device !== "cpu" && { gpu: { device } }),
  }),
  fidelity: ({ linkMBps }) => (linkMBps > 0 ? "emulated" : "measured"),
  metrics,
  views: [
    table(
      "schedules",
      "By schedule",
      "Each step of the ablation builds on the one before it; all have equal memory. A shape " +
        "with random content, its routing replayed from a generated trace: times and bytes mean " +
        "something, text does not.",
    ),
    bars("ablation", "Ablation", `Throughput of each schedule. ${LABEL}`),
    bars("time", "Where time goes", `Seconds per thousand generated tokens. ${LABEL}`),
    timeline("pipeline", "Computing and copying", `One step of a group. ${LABEL}`, {
      gapLanes: ["compute", "transfer"],
    }),
    table("hot", "Predicted hot experts", `By layer: predictions used, or hot. ${LABEL}`),
  ],
  load: () => import(/* turbopackIgnore: true */ "../shape-run/groups-run.ts"),
});

/** 512 tokens in, 32 out, batches of 16, as many to a group as the paper's main experiment has. */
function workload(batches: number) {
  return {
    widthDivisor: 1,
    device: "cuda" as const,
    sequencesPerBatch: 16,
    batches,
    promptTokens: 512,
    outputTokens: 32,
    texts: 32,
    trainingTokens: 4096,
    linkMBps: 0,
  };
}
