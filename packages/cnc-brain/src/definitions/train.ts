import { bars, defineExperiment, line, type MetricSpec, table } from "@fmlab/experiment";
import { z } from "zod";
import {
  AZURE_2019_FILES,
  dataFile,
  number,
  wholeNumber,
  workloadFields,
  workloadFiles,
} from "./workload-fields.ts";

/** Networks that a policy can be trained and tested on. */
export const TRAINING_TOPOLOGIES = ["built-in", "fixed", "zoo", "rtt-matrix"] as const;

/** Config of `cnc-brain.train`. */
export const trainConfig = z.object({
  ...workloadFields({ functions: 100, minutes: 20 }),
  topologies: z
    .array(z.enum(TRAINING_TOPOLOGIES))
    .min(1)
    .default(["built-in", "fixed"])
    .describe("Networks of training and test: ten towns, equal round trips, a map, a matrix."),
  fixedRttMs: number(0, 10_000, 40).describe("Every round trip of the fixed network, ms."),
  zooFile: dataFile("Archive of GraphML maps (.tar.gz) or one map, for the topology zoo."),
  zooName: z.string().max(1000).default("Geant2012").describe("Name of the map in the archive."),
  rttFile: dataFile("Matrix of round trips (JSON), for the topology rtt-matrix."),
  traceMinutes: wholeNumber(30, 20_160, 1440).describe("Length of the trace, minutes."),
  trainShare: number(0.1, 0.9, 0.6).describe("First part of the trace's time: training."),
  validateShare: number(0.05, 0.5, 0.2).describe("The part after it: the gate. The rest: test."),
  loads: z
    .array(z.number().min(0.05).max(1.5))
    .min(1)
    .max(20)
    .default([0.6, 0.9])
    .describe("Loads of validation and test; training draws from 0.4 to 0.95."),
  trainings: wholeNumber(1, 20, 2).describe("Policies trained, each from a seed of its own."),
  seeds: wholeNumber(3, 50, 4).describe("Workloads of each cell in validation and in test."),
  testNodes: wholeNumber(2, 512, 12).describe("Nodes in validation and test; training: 4 to 32."),
  largeNodes: wholeNumber(0, 1024, 0).describe("Nodes of a second test; 0: none."),
  trainRequests: wholeNumber(100, 100_000, 1000).describe("Requests of a training scenario."),
  testRequests: wholeNumber(100, 1_000_000, 1500).describe("Requests of a test scenario."),
  teacherScenarios: wholeNumber(1, 500, 8).describe("Scenarios to choose and imitate teachers on."),
  imitationEpochs: wholeNumber(0, 200, 6).describe("Epochs of imitation, twice."),
  iterations: wholeNumber(0, 10_000, 6).describe("Rounds of PPO."),
  scenarios: wholeNumber(1, 100, 4).describe("Scenarios a round."),
  rollouts: wholeNumber(2, 64, 3).describe("Runs over the same requests: the baseline's mean."),
  keep: wholeNumber(8, 100_000, 200).describe("Decisions of each run that are learned from."),
  evaluateEvery: wholeNumber(1, 1000, 3).describe("Rounds between two points of the curve."),
  horizonSeconds: number(0.1, 3600, 10).describe("Time after which a cost counts 1/e."),
  learningRate: number(1e-6, 0.1, 1e-3).describe("Of PPO, by Adam."),
  clip: number(0.01, 1, 0.2).describe("Range of PPO's probability ratios around 1."),
  entropy: number(0, 1, 0.001).describe("Weight of the entropy."),
  threads: wholeNumber(1, 64, 2).describe("Threads that simulate."),
});
export type TrainConfig = z.output<typeof trainConfig>;

const metric = (
  title: string,
  better: MetricSpec["better"],
  help: string,
  more: Partial<MetricSpec> = {},
): MetricSpec => ({ title, unit: "", better, help, measured: false, ...more });

const metrics = {
  costRatio: metric(
    "Cost over heuristic",
    "lower",
    "Geometric mean over selection scenarios of the policy's cost over the heuristic's.",
    { headline: true, step: "round" },
  ),
  worseCells: metric("Cells worse", "lower", "Cells significantly worse than the best baseline.", {
    headline: true,
  }),
  closedShare: metric(
    "Cells closed",
    "higher",
    "Of cells with a gap above 10 %, the share in which at least a third of it is closed.",
    { headline: true },
  ),
  optimumRatio: metric("Cost over optimum", "lower", "On small cases, over the exact optimum."),
  trainingSeconds: metric("Training", "lower", "Time of one training.", {
    unit: "s",
    measured: true,
  }),
} satisfies Record<string, MetricSpec>;

/** Trains, gates and tests a scheduling policy. */
export const train = defineExperiment({
  kind: "cnc-brain.train",
  version: 1,
  title: "Learning to schedule",
  question: "Can one learned policy beat the best baseline over all networks and loads?",
  paper: "arXiv:2308.03450",
  config: trainConfig,
  presets: {
    quick: {
      title: "Quick",
      description: "Two short trainings on generated requests; simulated.",
      everywhere: true,
      config: {},
    },
    "three-topologies": {
      title: "Azure 2019 on three networks",
      description: "Five trainings, loads 0.5 to 0.9, 12 and 128 nodes; simulated.",
      config: {
        source: "azure-2019",
        trace: { ...AZURE_2019_FILES, durations: "", memory: "" },
        topologies: ["built-in", "zoo", "rtt-matrix"],
        zooFile: "network/topology-zoo-graphml.tar.gz",
        rttFile: "network/aws_region_rtt_ms.json",
        loads: [0.5, 0.6, 0.7, 0.8, 0.9],
        trainings: 5,
        seeds: 8,
        largeNodes: 128,
        trainRequests: 4000,
        testRequests: 8000,
        teacherScenarios: 24,
        imitationEpochs: 10,
        iterations: 60,
        scenarios: 6,
      },
    },
  },
  requires: (config) => {
    const { topologies, zooFile, rttFile } = config;
    const network = (path: string, source: string, licence: string) =>
      path === "" ? [] : [{ path, room: "data" as const, source, licence }];
    return {
      files: [
        ...workloadFiles(config),
        ...(topologies.includes("zoo")
          ? network(zooFile, "mroughan/InternetTopologyZoo", "CC BY 4.0")
          : []),
        ...(topologies.includes("rtt-matrix")
          ? network(rttFile, "ConsenSys/wittgenstein", "Apache-2.0")
          : []),
      ],
    };
  },
  fidelity: () => "simulated",
  metrics,
  views: [
    line("learning", "Learning curve", "Cost over the heuristic's; mean and range over seeds."),
    bars("cells", "Cells", "Cost of the gated policy, the best baseline and the bound; simulated."),
    table("verdicts", "All cells", "Gate, gap, what is closed of it, and Holm's p."),
    table("assumptions", "What is assumed", "How time, seeds and requests are divided."),
  ],
  load: () => import(/* turbopackIgnore: true */ "../train-run/run.ts"),
});
