import { bars, defineExperiment, type MetricSpec, scatter, table } from "@fmlab/experiment";
import { z } from "zod";
import { declaring } from "./metric-spec.ts";
import {
  AZURE_2019_FILES,
  number,
  wholeNumber,
  workloadFields,
  workloadFiles,
} from "./workload-fields.ts";

/** Policies that choose one node at once: what a gateway over HTTP can follow. */
const TESTBED_SCHEDULERS = [
  "random",
  "round-robin",
  "least-connections",
  "jsq-2",
  "latency-greedy",
  "openwhisk",
] as const;

/** Config of `cnc-brain.testbed`. */
export const testbedConfig = z.object({
  ...workloadFields({ functions: 60, minutes: 60 }),
  schedulers: z
    .array(z.enum(TESTBED_SCHEDULERS))
    .min(1)
    .max(TESTBED_SCHEDULERS.length)
    .default(["least-connections", "latency-greedy"])
    .describe("Policies, one after another on the same requests."),
  speedUp: number(1, 10_000, 20).describe("The trace runs so many times as fast as it was."),
  busiest: wholeNumber(1, 100, 6).describe(
    "Only so many functions are run, those with the most requests: each is a process on each node.",
  ),
  shortestMs: number(0, 10_000, 25).describe(
    "Functions with a shorter mean, real time, are left out: overhead would be all of them.",
  ),
  load: number(0.01, 1.5, 0.5).describe("Work of all requests over the nodes' capacity."),
  requestsMax: wholeNumber(10, 100_000, 500).describe("The time is cut where so many arrived."),
  nodes: wholeNumber(1, 32, 4).describe("Nodes of one core; the first is the cloud."),
  edgeSpeed: number(0.05, 4, 0.8).describe("Speed of all nodes but the first."),
  cpuShare: number(0.01, 1, 0.15).describe(
    "Share of a real core that a node's core is; nodes x share must stay below the real cores.",
  ),
  keepMinutes: number(0.1, 10_000, 10).describe("An idle process ends after so long, trace time."),
  calibrationRounds: wholeNumber(1, 100, 5).describe("Measurements of each node before the run."),
});
export type TestbedConfig = z.output<typeof testbedConfig>;

const measured = declaring(true, "By policy; the run's own: the first policy's.");

const metrics = {
  ratioP50: measured("p50 over prediction", "", "none", "Measured over predicted median.", {
    headline: true,
  }),
  ratioP95: measured(
    "p95 over prediction",
    "",
    "none",
    "Measured over predicted 95th percentile.",
    {
      headline: true,
    },
  ),
  measuredP50Ms: measured("Response, p50", "ms", "lower", "On the testbed.", { headline: true }),
  predictedP50Ms: measured("Predicted p50", "ms", "none", "By the simulator, calibrated."),
  measuredP95Ms: measured("Response, p95", "ms", "lower", "On the testbed."),
  predictedP95Ms: measured("Predicted p95", "ms", "none", "By the simulator, calibrated."),
  measuredColdRate: measured("Cold starts", "%", "lower", "Requests that waited for a process."),
  predictedColdRate: measured("Predicted cold starts", "%", "none", "By the simulator."),
  latenessP99Ms: measured("Driver late, p99", "ms", "lower", "Requests sent later than planned."),
  coldStartMs: measured("Start of a process", "ms", "lower", "Median of the calibration."),
  overheadMs: measured("Overhead of a request", "ms", "lower", "Median of the calibration."),
  stretch: measured("Stretch of work", "", "lower", "Real over asked time of work, calibration."),
} satisfies Record<string, MetricSpec>;

/** Real processes against the simulator's word. */
export const testbed = defineExperiment({
  kind: "cnc-brain.testbed",
  version: 1,
  title: "Testbed against simulator",
  question: "Does the simulator predict what real processes over real HTTP do?",
  paper: "arXiv:2308.03450",
  config: testbedConfig,
  presets: {
    quick: {
      title: "Quick",
      description:
        "Two policies, 4 nodes, up to 500 requests in about half a minute each; measured.",
      everywhere: true,
      config: {},
    },
    "azure-hour": {
      title: "Azure 2019",
      description: "Real arrivals of an hour, up to 2,000 requests; measured.",
      config: {
        source: "azure-2019",
        trace: AZURE_2019_FILES,
        fromMinute: 600,
        minutes: 60,
        functions: 200,
        busiest: 12,
        requestsMax: 2000,
      },
    },
  },
  requires: (config) => ({ files: workloadFiles(config) }),
  fidelity: () => "measured",
  metrics,
  views: [
    bars("quantiles", "Measured and predicted", "Median and tail of each policy, side by side."),
    scatter("requests", "Request by request", "The same request, predicted and measured."),
    table("policies", "All policies", "Every number of every policy."),
    table("assumptions", "What is assumed", "What the testbed is and what the prediction knows."),
  ],
  load: () => import(/* turbopackIgnore: true */ "../testbed-run/run.ts"),
});
