import {
  bars,
  defineExperiment,
  type MetricSpec,
  scatter,
  table,
  timeline,
} from "@fmlab/experiment";
import { z } from "zod";
import { TWIN_KINDS } from "../precision/names.ts";
import {
  deviceField,
  HALF_MIB,
  hostField,
  modelField,
  modelFile,
  QUARTER_MIB,
} from "./offload-fields.ts";

/** Config of `moe-offload.prefill`. */
export const prefillConfig = z.object({
  model: modelField,
  device: deviceField,
  promptTokens: z
    .array(z.number().int().min(1).max(100_000))
    .min(1)
    .max(16)
    .default([256])
    .describe("Lengths of prompts, in tokens; each is evaluated as one batch."),
  budgetsMiB: z
    .array(z.number().positive().max(1_048_576))
    .min(1)
    .max(16)
    .default([QUARTER_MIB, HALF_MIB])
    .describe("Memory for routed experts, staging included, MiB."),
  linksMBps: z
    .array(z.number().min(0).max(1_000_000))
    .min(1)
    .max(16)
    .default([400])
    .describe(
      "Bandwidths into fast memory, from host memory where there is, else from disk, MB/s " +
        "(1 MB = 1e6 bytes); 0 imposes no limit.",
    ),
  latencyUs: z
    .number()
    .min(0)
    .max(1_000_000)
    .default(0)
    .describe("Delay before each expert's first byte, microseconds."),
  host: hostField,
  repeats: z
    .number()
    .int()
    .min(1)
    .max(100)
    .default(5)
    .describe("Prompts counted in each cell, each next to its evaluation with all resident."),
  textFile: z
    .string()
    .max(1024)
    .default("")
    .describe("Text that prompts are cut from, .txt or .txt.gz, in the data folder; or none.")
    .meta({ file: "data" }),
  mixture: z
    .object({
      rate: z
        .number()
        .min(0)
        .max(1)
        .default(0)
        .describe("Share of expert uses that may be of low precision; 0 changes no bit."),
      low: z
        .enum(TWIN_KINDS)
        .default("q2_k")
        .describe("Copies of some 4.5 (q4_0) or 2.6 (q2_k) bits a weight."),
    })
    .prefault({})
    .describe(
      "Fate's mixture: experts that the fewest tokens of a prompt chose are loaded in low " +
        "precision, but in the first layer. Lossy: such a run tells its KL divergence.",
    ),
  threads: z
    .number()
    .int()
    .min(1)
    .max(64)
    .default(1)
    .describe("Compute threads; at most the machine's cores."),
});
export type PrefillConfig = z.output<typeof prefillConfig>;

const metrics = {
  prefillTokensPerSecond: {
    title: "Prefill speed",
    unit: "tok/s",
    better: "higher",
    help:
      "Prompt tokens over the median time of a prompt in waves; by cell. The run's: the median " +
      "of its cells, as of all numbers by cell.",
    measured: true,
    headline: true,
    step: "cell",
  },
  boundShare: {
    title: "Share of the bound",
    unit: "%",
    better: "higher",
    help: "max(resident time, missed bytes / link) over the time in waves, median; by cell.",
    measured: true,
    headline: true,
    step: "cell",
  },
  missedBytes: {
    title: "Missed bytes",
    unit: "B",
    better: "lower",
    help: "Experts a prompt needed that were not in memory when it began; mean; by cell.",
    measured: false,
    step: "cell",
  },
  loadedBytes: {
    title: "Loaded bytes",
    unit: "B",
    better: "lower",
    help: "Expert bytes that came over the link for a prompt, mean; by cell.",
    measured: true,
    step: "cell",
  },
  waitMs: {
    title: "Waiting",
    unit: "ms",
    better: "lower",
    help: "Time per prompt in which computing waited for experts, mean; by cell.",
    measured: true,
    step: "cell",
  },
  lowPrecisionRate: {
    title: "Low precision",
    unit: "%",
    better: "lower",
    help: "Expert uses that were computed in low precision; lossy runs only, by cell.",
    measured: true,
    step: "cell",
  },
  meanKl: {
    title: "Mean KL divergence",
    unit: "nats",
    better: "lower",
    help: "From full to lossy predictions of the token after a prompt; lossy runs only, by cell.",
    measured: true,
    headline: true,
    step: "cell",
  },
  maxKl: {
    title: "Largest KL divergence",
    unit: "nats",
    better: "lower",
    help: "The worst of those prompts.",
    measured: true,
  },
  argmaxAgreement: {
    title: "Same likeliest token",
    unit: "%",
    better: "higher",
    help: "Prompts after which full and lossy predictions agree on the likeliest token; by cell.",
    measured: true,
    step: "cell",
  },
  sameBits: {
    title: "Same bits",
    unit: "%",
    better: "higher",
    help:
      "Prompts whose logits equal those with all experts resident to the bit; on a card, those of " +
      "the same graphs.",
    measured: false,
    headline: true,
  },
} satisfies Record<string, MetricSpec>;

/** How fast prompts are evaluated when only part of the experts fits in memory. */
export const prefill = defineExperiment({
  kind: "moe-offload.prefill",
  version: 1,
  title: "Prefill in waves",
  question:
    "How close does prefill come to its bound when only part of the experts fits in memory?",
  paper: "arXiv:2502.06888",
  config: prefillConfig,
  presets: {
    quick: {
      title: "Quick",
      description: "256 tokens with a quarter and half of the experts over 400 MB/s.",
      everywhere: true,
      config: {},
    },
    grid: {
      title: "Lengths, budgets and links",
      description: "256 and 480 tokens, 25, 50 and 75 % of the experts, 100 to 3200 MB/s.",
      everywhere: true,
      config: {
        promptTokens: [256, 480],
        budgetsMiB: [QUARTER_MIB, HALF_MIB, 3 * QUARTER_MIB],
        linksMBps: [100, 400, 1600, 3200],
        repeats: 7,
      },
    },
    "fate-mixture": {
      title: "Fate's mixture",
      description:
        "Fate's mixed precision for prefill: as quick, with the least popular 30 % of uses in 2 " +
        "to 4 bits. Lossy.",
      everywhere: true,
      config: { mixture: { rate: 0.3 }, repeats: 8 },
    },
    "one-slot": {
      title: "Hardly any memory",
      description: "From a single expert in memory to an eighth of them, over 400 MB/s.",
      everywhere: true,
      config: { budgetsMiB: [0.1, 0.8, 3.1875], linksMBps: [400], repeats: 3 },
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
  fidelity: ({ latencyUs, linksMBps }) =>
    latencyUs > 0 || linksMBps.some((bandwidth) => bandwidth > 0) ? "emulated" : "measured",
  metrics,
  views: [
    table(
      "cells",
      "By cell",
      "A cell is a prompt length, a budget and a link; its bound is the best possible time.",
    ),
    scatter(
      "front",
      "Memory and speed",
      "Up and left is best; one group for each length and link.",
    ),
    bars("time", "Where time goes", "Milliseconds of a prompt by cell, means."),
    timeline("pipeline", "Computing and loading", "The last prompt; stalls and gaps are bubbles.", {
      gapLanes: ["compute", "transfer"],
    }),
  ],
  load: () => import(/* turbopackIgnore: true */ "../prefill/run.ts"),
});
