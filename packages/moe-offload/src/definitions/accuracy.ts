import { bars, defineExperiment, heatmap, line, type MetricSpec, table } from "@fmlab/experiment";
import { z } from "zod";
import { textFields, textFiles } from "./text-fields.ts";

/** Config of `moe-offload.accuracy`. */
export const accuracyConfig = z.object({
  ...textFields,
  calibrationTokens: z
    .number()
    .int()
    .min(0)
    .max(1_000_000)
    .default(4096)
    .describe(
      "Tokens the model writes itself, for what learns; 0 leaves out predictors and policies " +
        "that need it.",
    ),
  budgetsPercent: z
    .array(z.number().min(0).max(100))
    .max(16)
    .default([25, 50, 75])
    .describe("Memory for experts at which the hits of every policy are counted, percent of all."),
  hitRateTokensMax: z
    .number()
    .int()
    .min(0)
    .max(100_000_000)
    .default(8192)
    .describe("Tokens of the text that policies are tried on, from its beginning; 0 for all."),
});
export type AccuracyConfig = z.output<typeof accuracyConfig>;

const metrics = {
  crossLayer: {
    title: "Cross-layer gate",
    unit: "%",
    better: "higher",
    help:
      "Chosen experts among the top-k of their gate on the layer before's input; by layer. The " +
      "run's: the mean over layers.",
    measured: false,
    headline: true,
    step: "window",
  },
  crossLayerWhole: {
    title: "Cross-layer gate, whole routing",
    unit: "%",
    better: "higher",
    help:
      "Tokens whose experts of a layer were all among these top-k; also by layer. The run's: the " +
      "mean over layers.",
    measured: false,
    headline: true,
  },
  slotAccuracy: {
    title: "Slot accuracy",
    unit: "%",
    better: "higher",
    help: "Chosen experts that a predictor named one layer ahead; by predictor and layer.",
    measured: false,
  },
  wholeRoutingAccuracy: {
    title: "Whole-routing accuracy",
    unit: "%",
    better: "higher",
    help: "Tokens of a layer whose experts a predictor named all; by predictor and layer.",
    measured: false,
  },
  hitRate: {
    title: "Hit rate",
    unit: "%",
    better: "higher",
    help: "Expert uses that found the expert in memory, without prefetching; by policy and budget.",
    measured: false,
  },
} satisfies Record<string, MetricSpec>;

/** How well routing is predicted, and how well it is cached. */
export const accuracy = defineExperiment({
  kind: "moe-offload.accuracy",
  version: 1,
  title: "Accuracy of expert predictors",
  question: "How well can the experts of the next layer be predicted, and how well be cached?",
  paper: "arXiv:2502.12224",
  config: accuracyConfig,
  presets: {
    quick: {
      title: "Quick",
      description:
        "Every predictor and policy on 512 tokens of the text that comes with the experiment.",
      everywhere: true,
      config: { tokensMax: 512, calibrationTokens: 512 },
    },
    "fate-accuracy": {
      title: "Fate's accuracy and hit rate",
      description:
        "What Fate reports of its predictions and its cache, for the shipped model: every " +
        "predictor and policy on the whole text that comes with the experiment.",
      everywhere: true,
      config: {},
    },
    "held-out-prose": {
      title: "Held-out prose",
      description: "8,192 tokens of prose that the shipped model has not seen.",
      config: {
        textFile: "text/held_out_prose.txt.gz",
        tokensMax: 8192,
        calibrationTokens: 12_288,
      },
    },
  },
  requires: (config) => ({
    tags: ["ggml"],
    ...(config.device !== "cpu" && { gpu: { device: config.device } }),
    files: textFiles(config),
  }),
  fidelity: () => "measured",
  metrics,
  views: [
    bars("accuracyByLayer", "Slot accuracy", "Share of a layer's experts that were predicted."),
    heatmap(
      "wholeByLayer",
      "Whole-routing accuracy",
      "Share of tokens with all experts predicted.",
    ),
    line(
      "gateByLayer",
      "Cross-layer gate, wider and further",
      "Predictions of more than k experts, and of layers further ahead.",
    ),
    table(
      "hitRates",
      "Hit rates",
      "With so many percent of all experts in memory and no prefetching; belady knows the future.",
    ),
    bars("hitsByLayer", "Hit rates by layer", "Where each policy has its hits, at one budget."),
    heatmap("expertUses", "Chosen experts", "How often the router chose each expert."),
  ],
  load: () => import(/* turbopackIgnore: true */ "../accuracy/run.ts"),
});
