import { defineExperiment, type MetricSpec, scatter, table } from "@fmlab/experiment";
import { z } from "zod";
import { AUTOSCALER_NAMES } from "../autoscale/names.ts";
import { KEEP_ALIVE_NAMES } from "../keep-alive/names.ts";
import { AZURE_2019_FILES, wholeNumber, workloadFields, workloadFiles } from "./workload-fields.ts";

/** Config of `cnc-brain.keepalive`. */
export const keepaliveConfig = z.object({
  ...workloadFields({ functions: 60, minutes: 480, perDayMax: 5000 }),
  policies: z
    .array(z.enum(KEEP_ALIVE_NAMES))
    .min(1)
    .max(KEEP_ALIVE_NAMES.length)
    .default([...KEEP_ALIVE_NAMES])
    .describe("Policies to compare; the oracle knows the future."),
  keepMinutes: z
    .array(z.number().min(0).max(10_000))
    .max(16)
    .default([1, 2, 5, 10, 20, 60])
    .describe("Of the fixed keep-alive: one point each."),
  memoryFactors: z
    .array(z.number().positive().max(10_000))
    .max(16)
    .default([0.05, 0.1, 0.2, 0.4, 0.7, 1, 1.5])
    .describe(
      "LRU and GreedyDual: memory of all containers beyond which idle ones go, over the most that " +
        "requests need at once; a point each. Requests never wait for it.",
    ),
  histogramMinutes: z
    .array(z.number().int().min(1).max(1440))
    .max(16)
    .default([60, 120, 240])
    .describe("Of the hybrid histogram: its range, 240 as published; a point each."),
  memoryPrices: z
    .array(z.number().positive().max(1000))
    .max(16)
    .default([0.0001, 0.00025, 0.0005, 0.001, 0.002, 0.004, 0.008, 0.015, 0.03])
    .describe("Index and oracle: ms of cold start that a megabyte-second is worth; a point each."),
  autoscalers: z
    .array(z.enum(AUTOSCALER_NAMES))
    .max(AUTOSCALER_NAMES.length)
    .default([...AUTOSCALER_NAMES])
    .describe("Autoscalers that are tried on the busiest function, behind one gateway."),
  replicaConcurrency: wholeNumber(1, 1000, 1).describe("Requests a replica works on at once."),
  replicasMax: wholeNumber(1, 10_000, 20).describe("Most replicas an autoscaler may have."),
});
export type KeepaliveConfig = z.output<typeof keepaliveConfig>;

const metrics = {
  coldStartRate: {
    title: "Cold starts",
    unit: "%",
    better: "lower",
    help: "Requests that waited for a container, by policy; the run's own: ours at fixed-10's memory.",
    measured: false,
    step: "setting",
    headline: true,
  },
  idleMemoryGbHours: {
    title: "Idle memory",
    unit: "GB h",
    better: "lower",
    help: "Memory-time of containers without work, by policy; the run's own as above.",
    measured: false,
    step: "setting",
    headline: true,
  },
  coldDelayMsMean: {
    title: "Cold-start delay",
    unit: "ms",
    better: "lower",
    help: "Time waited for containers, mean over all requests, by policy; the run's own as above.",
    measured: false,
    step: "setting",
  },
  frontShare: {
    title: "Ours on the front",
    unit: "%",
    better: "higher",
    help: "Points of ours that no other causal policy's point beats in both cold starts and memory.",
    measured: false,
    headline: true,
  },
} satisfies Record<string, MetricSpec>;

/** Cold starts against memory-time, policy by policy. */
export const keepalive = defineExperiment({
  kind: "cnc-brain.keepalive",
  version: 1,
  title: "Keep-alive: cold starts against memory",
  question: "Which policy buys the fewest cold starts for its idle memory?",
  paper: "arXiv:2308.03450",
  config: keepaliveConfig,
  presets: {
    quick: {
      title: "Quick",
      description: "Six policies on eight hours of 60 generated functions; simulated.",
      everywhere: true,
      config: {},
    },
    "azure-day": {
      title: "Azure 2019",
      description: "A real day's arrivals of 200 sampled functions; simulated.",
      config: { source: "azure-2019", trace: AZURE_2019_FILES, functions: 200, minutes: 1440 },
    },
  },
  requires: (config) => ({ files: workloadFiles(config) }),
  fidelity: () => "simulated",
  metrics,
  views: [
    scatter("front", "Cold starts and idle memory", "Lower left is better; the front is marked."),
    table("points", "All points", "Every policy at every setting."),
    table("autoscalers", "Autoscalers", "The busiest function behind each of them."),
    table("assumptions", "What is assumed", "Where requests, sizes and cold starts come from."),
  ],
  load: () => import(/* turbopackIgnore: true */ "../keepalive-run/run.ts"),
});
