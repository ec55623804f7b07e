import { defineExperiment, line, type MetricSpec, table } from "@fmlab/experiment";
import { z } from "zod";
import { SHIFTS } from "../adapt-run/shifts.ts";
import {
  AZURE_2019_FILES,
  dataFile,
  number,
  wholeNumber,
  workloadFields,
  workloadFiles,
} from "./workload-fields.ts";

/** Fall-backs: baselines that choose one node at once. */
const FALLBACKS = ["least-connections", "jsq-2", "latency-greedy", "round-robin"] as const;

/** Config of `cnc-brain.adapt`. */
export const adaptConfig = z.object({
  ...workloadFields({ functions: 300, minutes: 60 }),
  load: number(0.01, 2, 0.25).describe("Work of all requests over the cores, before the shift."),
  requestsMax: wholeNumber(500, 1_000_000, 15_000).describe("The time is cut at so many requests."),
  cloudNodes: wholeNumber(0, 1000, 2).describe("Nodes of 16 cores at the most central sites."),
  edgeNodes: wholeNumber(0, 1000, 10).describe("Nodes of 4 slower cores over all sites."),
  deviceNodes: wholeNumber(0, 1000, 4).describe("Nodes of 2 slow cores behind a slow link."),
  shift: z.enum(SHIFTS).default("traffic").describe("What changes, for good."),
  shiftShare: number(0.1, 0.9, 0.4).describe("When: after this share of the time."),
  trafficFactor: number(1, 100, 3).describe("Of a traffic shift: so many times the requests."),
  fallback: z
    .enum(FALLBACKS)
    .default("least-connections")
    .describe("Who decides while the candidate has shown no advantage."),
  startAt: z
    .enum(["quiet", "latency-greedy"])
    .default("quiet")
    .describe("What the candidate knows at first: quiet knows a cluster without queues."),
  policyFile: dataFile("A trained policy as the candidate; empty: one that is tuned as it goes."),
  epochSeconds: number(1, 3600, 10).describe("How often evidence is gathered and learned from."),
  binSeconds: number(0.1, 3600, 5).describe("Costs are averaged over so long for the detector."),
  detector: z
    .enum(["page-hinkley", "adwin", "none"])
    .default("page-hinkley")
    .describe(
      "Watches the logarithms of each bin's mean cost and requests; lost nodes are seen anyway.",
    ),
  threshold: number(0.01, 1000, 3).describe("Of Page-Hinkley: the sum at which a shift is called."),
  twinRequests: wholeNumber(50, 100_000, 600).describe(
    "Requests of an epoch in the twin, at most.",
  ),
  twinWarmRequests: wholeNumber(0, 100_000, 1200).describe(
    "Requests before those, which fill the twin's queues and are not counted.",
  ),
  blockRequests: wholeNumber(5, 10_000, 50).describe("Requests of one comparison."),
  alpha: number(0.0001, 0.4, 0.05).describe("Chance that a candidate without advantage ever acts."),
  minComparisons: wholeNumber(2, 10_000, 6).describe("Comparisons before the gate may open."),
  maxComparisons: wholeNumber(2, 100_000, 60).describe("After so many a candidate is given up."),
  lossBudget: number(0.001, 1e9, 50).describe(
    "What an acting candidate may lose to the fall-back: cost of a request times requests.",
  ),
  recoverShare: number(0.1, 1, 0.9).describe("Share of what was lost that counts as recovered."),
  recoverEpochs: wholeNumber(1, 1000, 6).describe("Over windows of so many epochs."),
});
export type AdaptConfig = z.output<typeof adaptConfig>;

const spec = (
  title: string,
  unit: string,
  better: MetricSpec["better"],
  help: string,
  more: Partial<MetricSpec> = {},
): MetricSpec => ({ title, unit, better, help, measured: false, ...more });

const metrics = {
  recovered: spec(
    "Recovered",
    "%",
    "higher",
    "Of what the shift cost the unchanged policy, in the last half of the time after it.",
    { headline: true },
  ),
  recoverySeconds: spec(
    "Time to recover",
    "s",
    "lower",
    "From the shift to the end of the first window that is recovered by the wanted share.",
    { headline: true },
  ),
  lost: spec("Lost", "", "none", "Cost of the unchanged policy less the reference's, after it."),
  costBefore: spec("Cost before", "", "lower", "Mean cost before the shift, by policy."),
  costAfter: spec("Cost after", "", "lower", "Mean cost after the shift, by policy.", {
    headline: true,
  }),
  detectionSeconds: spec("Detection", "s", "lower", "From the shift to the first drift called."),
  falseDrifts: spec("False alarms", "", "lower", "Drifts called before the shift."),
  actingShare: spec("Candidate acting", "%", "none", "Share of the epochs the candidate acted in."),
  worstLoss: spec(
    "Worst loss",
    "",
    "lower",
    "The most that an acting candidate lost to the fall-back, by the twin, in one time of acting.",
  ),
  overruled: spec("Overruled", "", "lower", "Choices of candidates outside the mask, not done."),
} satisfies Record<string, MetricSpec>;

/** Adaptation to planted shifts, behind a gate. */
export const adapt = defineExperiment({
  kind: "cnc-brain.adapt",
  version: 1,
  title: "Adaptation behind a gate",
  question: "How much of what a shift costs does adaptation win back, and how soon?",
  paper: "arXiv:2308.03450",
  config: adaptConfig,
  presets: {
    quick: {
      title: "Traffic",
      description: "Three times the requests from other places; simulated.",
      everywhere: true,
      config: {},
    },
    "node-loss": {
      title: "Node loss",
      description: "The largest node is lost for good; simulated.",
      everywhere: true,
      config: { shift: "node-loss" },
    },
    "region-outage": {
      title: "Region outage",
      description: "All nodes of the region with the most cores are lost; simulated.",
      everywhere: true,
      config: { shift: "region-outage" },
    },
    "azure-traffic": {
      title: "Azure 2019, traffic",
      description: "Real arrivals, three times as many after the shift; simulated.",
      config: { source: "azure-2019", trace: AZURE_2019_FILES, fromMinute: 600 },
    },
  },
  requires: (config) => {
    const policy = {
      path: config.policyFile,
      room: "data" as const,
      source: "cnc-brain.train",
      licence: "that of the run that trained it",
    };
    return { files: [...workloadFiles(config), ...(config.policyFile !== "" ? [policy] : [])] };
  },
  fidelity: () => "simulated",
  metrics,
  views: [
    line("costs", "Cost over time", "Mean cost of the requests of each epoch, by policy."),
    table("epochs", "Epochs", "What the gate saw and did at the end of each epoch."),
    table("policies", "All policies", "Cost before and after the shift."),
    table("assumptions", "What is assumed", "The shift, the twin, the reference."),
  ],
  load: () => import(/* turbopackIgnore: true */ "../adapt-run/run.ts"),
});
