import { defineExperiment, line, type MetricSpec, scatter, table, text } from "@fmlab/experiment";
import { z } from "zod";
import { MISS_POLICIES, TWIN_KINDS } from "../precision/names.ts";
import { textFields, textFiles } from "./text-fields.ts";

/** Config of `moe-offload.quality`. */
export const qualityConfig = z.object({
  ...textFields,
  modes: z
    .array(z.enum([...TWIN_KINDS, "mixture", "miss-low"]))
    .min(1)
    .max(8)
    .default([...TWIN_KINDS, "mixture", "miss-low"])
    .describe(
      "Ways to compute: all experts as q4_0 or q2_k; mixture: unpopular ones low in prefill; " +
        "miss-low: low where an expert is not resident in decode.",
    ),
  high: z
    .enum(["full", "q4_0"])
    .default("full")
    .describe("Precision of popular and of resident experts in mixture and miss-low."),
  low: z
    .enum(TWIN_KINDS)
    .default("q2_k")
    .describe("Precision of unpopular experts and of misses; q2_k falls back to q4_0 by matrix."),
  mixtureRates: z
    .array(z.number().min(0).max(1))
    .min(1)
    .max(16)
    .default([0.3, 0.5])
    .describe("Shares of a batch's expert uses (512 tokens) that may be low in mixture, 0 to 1."),
  policy: z.enum(MISS_POLICIES).default("lru").describe("Which experts are resident in miss-low."),
  budgetsPercent: z
    .array(z.number().min(0).max(100))
    .min(1)
    .max(16)
    .default([25, 50, 75])
    .describe("Memory for experts in miss-low, percent of all experts."),
  prefetchWidth: z
    .number()
    .int()
    .min(0)
    .max(64)
    .default(0)
    .describe("Next layer's likeliest experts that count as prefetched in time in miss-low."),
  twinFolder: z
    .enum(["run", "beside-model"])
    .default("run")
    .describe("Where low-precision copies are kept: with the run, or beside the model for later."),
});
export type QualityConfig = z.output<typeof qualityConfig>;

const metrics = {
  perplexity: {
    title: "Perplexity",
    unit: "",
    better: "lower",
    help: "exp of the mean negative log-likelihood of a token; by mode. The run's: full precision.",
    measured: false,
    headline: true,
    step: "window",
  },
  meanKl: {
    title: "Mean KL divergence",
    unit: "nats",
    better: "lower",
    help: "From full to lossy predictions, over all positions; by mode. The run's: the worst mode.",
    measured: false,
    headline: true,
    step: "window",
  },
  maxKl: {
    title: "Largest KL divergence",
    unit: "nats",
    better: "lower",
    help: "Of any one position; by mode. The run's: the worst mode.",
    measured: false,
  },
  argmaxAgreement: {
    title: "Same likeliest token",
    unit: "%",
    better: "higher",
    help:
      "Positions where full and lossy predictions agree on the likeliest token; by mode. The " +
      "run's: the worst mode.",
    measured: false,
    headline: true,
  },
  lossyShare: {
    title: "Lossy expert uses",
    unit: "%",
    better: "none",
    help:
      "Uses of experts that were not computed in the model's own precision; by mode. The run's: " +
      "the most of any mode.",
    measured: false,
  },
  bytesPerExpert: {
    title: "Bytes per expert",
    unit: "B",
    better: "lower",
    help: "Mean size of the experts that were computed with; by mode. The run's: the smallest.",
    measured: false,
  },
} satisfies Record<string, MetricSpec>;

/** What low-precision experts cost in quality. */
export const quality = defineExperiment({
  kind: "moe-offload.quality",
  version: 1,
  title: "Quality with low-precision experts",
  question: "How far do predictions move when some experts are computed in low precision?",
  paper: "arXiv:2502.12224",
  config: qualityConfig,
  presets: {
    quick: {
      title: "Quick",
      description: "Q4_0 for every expert and for misses of LRU, on 256 tokens.",
      everywhere: true,
      config: { modes: ["q4_0", "miss-low"], low: "q4_0", budgetsPercent: [50], tokensMax: 256 },
    },
    "fate-int2-int4": {
      title: "Fate's INT4 and INT2",
      description:
        "Q4_0 for its INT4 and Q2_K for its INT2: its mixture rates in prefill, and INT2 for " +
        "misses of its cache in decode.",
      everywhere: true,
      // Its second release prefetches one expert more than a token uses.
      config: {
        high: "q4_0",
        low: "q2_k",
        policy: "fate",
        budgetsPercent: [25, 50],
        prefetchWidth: 5,
      },
    },
    "every-mode": {
      title: "Every mode against full precision",
      description: "All modes, with LRU at three budgets.",
      everywhere: true,
      config: {},
    },
  },
  requires: (config) => ({
    tags: ["ggml"],
    ...(config.device !== "cpu" && { gpu: { device: config.device } }),
    files: textFiles(config),
  }),
  // Who would be resident is emulated; what precision then does to predictions is measured.
  fidelity: (config) => (config.modes.includes("miss-low") ? "emulated" : "measured"),
  metrics,
  views: [
    table(
      "modes",
      "By mode",
      "Perplexity, negative log-likelihood (NLL) and divergence of each way to compute.",
    ),
    scatter(
      "quality",
      "Divergence by mode",
      "Mean KL against the size of an expert: left and low is best.",
    ),
    line("klByPosition", "Divergence by position", "Mean KL at each place of a window."),
    table(
      "disagreements",
      "Disagreements",
      "Where the likeliest token differs, by rising margin of the full model.",
    ),
    text(
      "record",
      "What was compared",
      "Types and sizes of the experts, and how windows were cut.",
    ),
  ],
  load: () => import(/* turbopackIgnore: true */ "../quality/run.ts"),
});
