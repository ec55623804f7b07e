import { defineExperiment, line, type MetricSpec, table } from "@fmlab/experiment";
import { z } from "zod";
import { SHIFTS } from "../adapt-run/shifts.ts";
import { TRANSFER_MODELS } from "../simulator/specs.ts";
import { declaring } from "./metric-spec.ts";
import {
  AZURE_2019_FILES,
  clusterFields,
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
  ...clusterFields({ deviceNodes: 4 }),
  jobs: wholeNumber(0, 10_000, 0).describe("Long jobs with checkpoints, beside the functions."),
  transfers: z
    .enum(TRANSFER_MODELS)
    .default("fixed")
    .describe("fixed: each transfer as if alone; shared: max-min fair sharing of all links."),
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
  fineTune: z
    .boolean()
    .default(false)
    .describe(
      "The candidate is a policy that is trained on (PPO) with each window, in the shadow: the " +
        "policy of the file, or an untrained one, which decides as its heuristic does.",
    ),
  migrate: z
    .boolean()
    .default(true)
    .describe("Warm containers and long jobs move to where the demand and the nodes are."),
  epochSeconds: number(1, 3600, 10).describe("How often evidence is gathered and learned from."),
  binSeconds: number(0.1, 3600, 5).describe("Costs are averaged over so long for the detector."),
  binRequests: wholeNumber(1, 10_000, 100).describe("And over at least so many answers."),
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
  twinDraws: wholeNumber(1, 100, 3).describe(
    "Draws of the requests' durations in the twin that a comparison is the mean of.",
  ),
  blockRequests: wholeNumber(5, 10_000, 50).describe("Requests of one comparison, at least."),
  alpha: number(0.0001, 0.4, 0.05).describe("Chance that a candidate without advantage ever acts."),
  minComparisons: wholeNumber(2, 10_000, 6).describe("Comparisons before the gate may open."),
  maxComparisons: wholeNumber(2, 100_000, 60).describe("After so many a candidate is given up."),
  lossBudget: number(0.001, 1e9, 200).describe(
    "What an acting candidate may lose to the fall-back: cost of a request times requests.",
  ),
  recoverShare: number(0.1, 1, 0.9).describe("Share of what was lost that counts as recovered."),
  recoverEpochs: wholeNumber(1, 1000, 6).describe("Over windows of so many epochs."),
});
export type AdaptConfig = z.output<typeof adaptConfig>;

const spec = declaring(false);

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
  actedLoss: spec(
    "Worst loss in truth",
    "",
    "lower",
    "The most that an acting candidate cost more than the fall-back alone on the same requests, " +
      "summed over one time of acting.",
  ),
  lossBound: spec(
    "Bound of the loss",
    "",
    "none",
    "The loss budget and 11, the most a request can cost, for each request of the largest epoch.",
  ),
  movedJobs: spec("Jobs moved", "", "none", "Long jobs that went on elsewhere."),
  movedContainers: spec("Containers moved", "", "none", "Warm containers started elsewhere."),
  movedStateMb: spec("State moved", "MB", "none", "Memory of jobs that went over the network."),
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
    "node-loss-jobs": {
      title: "Node loss with long jobs",
      description: "Long jobs beside the functions, which move; links are shared; simulated.",
      everywhere: true,
      config: { shift: "node-loss", jobs: 10, transfers: "shared" },
    },
    "fine-tune": {
      title: "Fine-tuning",
      description: "A region is lost, and the policy is trained on behind the gate; simulated.",
      everywhere: true,
      config: { shift: "region-outage", fineTune: true, requestsMax: 6000 },
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
    table("autonomy", "Level of autonomy", "What this run shows of each level."),
    table("assumptions", "What is assumed", "The shift, the twin, the reference."),
  ],
  load: () => import(/* turbopackIgnore: true */ "../adapt-run/run.ts"),
});
