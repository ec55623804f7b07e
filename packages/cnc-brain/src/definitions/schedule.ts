import {
  bars,
  defineExperiment,
  type MetricSpec,
  scatter,
  table,
  text,
  timeline,
} from "@fmlab/experiment";
import { z } from "zod";
import { KEEP_ALIVE_NAMES } from "../keep-alive/names.ts";
import { SCHEDULER_NAMES } from "../scheduling/names.ts";
import { DISCIPLINES, TRANSFER_MODELS } from "../simulator/specs.ts";
import { NETWORK_SOURCES } from "../workload/sources.ts";
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

const TOPOLOGY_ZOO = "network/topology-zoo-graphml.tar.gz";

/** Config of `cnc-brain.schedule`. */
export const scheduleConfig = z.object({
  ...workloadFields({ functions: 60, minutes: 20 }),
  load: number(0.01, 2, 0.7).describe(
    "Work of all requests over the capacity of all cores; requests are thinned or repeated for it.",
  ),
  requestsMax: wholeNumber(100, 10_000_000, 20_000).describe(
    "The time is cut where so many requests have arrived.",
  ),
  network: z
    .object({
      source: z
        .enum(NETWORK_SOURCES)
        .default("built-in")
        .describe("built-in: ten towns; topology: a GraphML map; rtt-matrix: measured; fixed."),
      file: dataFile(
        "A GraphML map, an archive of them (.tar.gz), a matrix (JSON) or pings (.csv).",
      ),
      name: z
        .string()
        .max(1000)
        .default("")
        .describe("Name of the map inside an archive, or of the cities in a table of pings."),
      fixedRttMs: number(0, 10_000, 20).describe("Every round trip, ms, where it is fixed."),
    })
    .prefault({})
    .describe("The network between users, nodes and data."),
  transfers: z
    .enum(TRANSFER_MODELS)
    .default("fixed")
    .describe("fixed: each transfer as if alone; shared: max-min fair sharing of all links."),
  ...clusterFields({ deviceNodes: 0 }),
  discipline: z
    .enum(DISCIPLINES)
    .default("fcfs")
    .describe("fcfs: a core for each request, others wait; ps: all share the cores."),
  schedulers: z
    .array(z.enum(SCHEDULER_NAMES))
    .min(1)
    .max(SCHEDULER_NAMES.length)
    .default(["round-robin", "least-connections", "jsq-2", "kubernetes", "latency-greedy"])
    .describe("Baselines to compare on the same requests."),
  policyWeights: dataFile(
    "A trained policy (artifact of cnc-brain.train) that is compared with them; empty: none.",
  ),
  keepAlive: z
    .enum(KEEP_ALIVE_NAMES)
    .exclude(["oracle"])
    .default("fixed")
    .describe("How long idle containers are kept, on every node."),
  keepMinutes: number(0, 10_000, 10).describe("Of the fixed keep-alive, minutes."),
  snapshotEveryMs: number(0, 3_600_000, 0).describe(
    "Schedulers see the cluster as it was at the last multiple of this; 0: as it is.",
  ),
  outagesPerNodeHour: number(0, 100, 0).describe("Random outages of each node in an hour."),
  outageSeconds: number(1, 86_400, 60).describe("Mean length of an outage, seconds."),
  retries: wholeNumber(0, 100, 3).describe("How often a request may be lost with its node."),
  quota: number(0.001, 1, 1).describe("Largest dominant share of the cluster for each tenant."),
  policiesFile: dataFile("Rules as JSON: who may not run where; empty: none."),
  sloFactor: number(0, 1000, 3).describe(
    "A function's SLO, the response it is promised: so many of its mean durations.",
  ),
  sloSlackMs: number(1, 3_600_000, 500).describe("Added to every SLO, ms."),
  dataShare: number(0, 1, 0.2).describe("Share of the functions that read data from some site."),
  jobs: wholeNumber(0, 10_000, 0).describe("Long jobs with checkpoints, beside the functions."),
  warmupShare: number(0, 0.9, 0.1).describe("First share of the time that is not counted."),
  explain: wholeNumber(0, 50, 4).describe("Decisions of the best policy that are explained."),
  audit: z
    .boolean()
    .default(false)
    .describe("Keep a hash-chained log of every decision of the best policy as an artifact."),
});
export type ScheduleConfig = z.output<typeof scheduleConfig>;

const perPolicy = declaring(false, "By policy; the run's own: the policy with the least cost.");

const metrics = {
  placementCost: perPolicy(
    "Cost",
    "",
    "lower",
    "Mean of min(response / SLO, 10), and 1 more for each miss.",
    { headline: true },
  ),
  responseMsMean: perPolicy("Response, mean", "ms", "lower", "From arrival to answer.", {
    headline: true,
  }),
  responseMsP50: perPolicy("Response, p50", "ms", "lower", "Median from arrival to answer."),
  responseMsP95: perPolicy("Response, p95", "ms", "lower", "95th percentile of responses."),
  responseMsP99: perPolicy("Response, p99", "ms", "lower", "99th percentile of responses.", {
    headline: true,
  }),
  sloAttainment: perPolicy("SLO attained", "%", "higher", "Requests within their target.", {
    headline: true,
  }),
  coldStartRate: perPolicy("Cold starts", "%", "lower", "Requests that waited for a container."),
  utilisation: perPolicy("Utilisation", "%", "none", "Core time held over core time there was."),
  utilisationCv: perPolicy("Imbalance", "", "lower", "Variation of the nodes' utilisations."),
  price: perPolicy("Price", "", "lower", "Cores and memory used at the nodes' prices."),
  carbonG: perPolicy("Carbon", "g", "lower", "CO2 of all nodes, idle power included."),
  snapshotAgeMs: perPolicy("Snapshot age", "ms", "lower", "Staleness of what decisions saw, mean."),
  snapshotBytesPerSecond: perPolicy(
    "Snapshot traffic",
    "B/s",
    "lower",
    "Overhead: what refreshing snapshots moves.",
  ),
  decisionUsP50: perPolicy("Decision, p50", "µs", "lower", "Real time of one decision.", {
    measured: true,
  }),
  decisionUsP99: perPolicy("Decision, p99", "µs", "lower", "Real time of one decision.", {
    measured: true,
  }),
  boundCost: {
    title: "Hindsight bound",
    unit: "",
    better: "none",
    help: "Cost that no scheduler can beat, even knowing the future: by prices of core time.",
    measured: false,
  },
} satisfies Record<string, MetricSpec>;

/** Schedulers on one simulated cluster, network and workload. */
export const schedule = defineExperiment({
  kind: "cnc-brain.schedule",
  version: 1,
  title: "Scheduling over cloud, edge and network",
  question: "Which scheduler serves these requests best on this cluster and network?",
  paper: "arXiv:2308.03450",
  config: scheduleConfig,
  presets: {
    quick: {
      title: "Quick",
      description: "Five baselines, 12 nodes in ten towns, generated requests; simulated.",
      everywhere: true,
      config: {},
    },
    "all-baselines": {
      title: "All baselines",
      description: "Every baseline on an hour of generated requests at load 0.8; simulated.",
      everywhere: true,
      config: { schedulers: [...SCHEDULER_NAMES], minutes: 60, load: 0.8, requestsMax: 100_000 },
    },
    outages: {
      title: "Outages and old snapshots",
      description: "Nodes fail at random and schedulers see a state up to 2 s old; simulated.",
      everywhere: true,
      config: { outagesPerNodeHour: 2, snapshotEveryMs: 2000, deviceNodes: 6, jobs: 10 },
    },
    "azure-on-geant": {
      title: "Azure 2019 on Geant",
      description: "Real arrivals of an hour on a real European network, links shared; simulated.",
      config: {
        source: "azure-2019",
        trace: AZURE_2019_FILES,
        fromMinute: 600,
        minutes: 60,
        functions: 200,
        network: { source: "topology", file: TOPOLOGY_ZOO, name: "Geant2012" },
        transfers: "shared",
        requestsMax: 100_000,
        schedulers: [...SCHEDULER_NAMES],
      },
    },
    "azure-on-aws": {
      title: "Azure 2019 over AWS regions",
      description: "Real arrivals over the measured round trips of 11 regions; simulated.",
      config: {
        source: "azure-2019",
        trace: AZURE_2019_FILES,
        fromMinute: 600,
        minutes: 60,
        functions: 200,
        network: { source: "rtt-matrix", file: "network/aws_region_rtt_ms.json" },
        requestsMax: 100_000,
        schedulers: [...SCHEDULER_NAMES],
      },
    },
    "llm-serving": {
      title: "LLM requests",
      description: "An hour of Azure's requests to a language model on accelerators; simulated.",
      config: {
        source: "llm",
        trace: { invocations: "llm-traces/AzureLLMInferenceTrace_conv.csv.gz" },
        minutes: 58,
        cloudNodes: 16,
        edgeNodes: 0,
        load: 0.1,
        durationSecondsMax: 600,
      },
    },
  },
  requires: (config) => {
    const { source, file } = config.network;
    const isFile = (source === "topology" || source === "rtt-matrix") && file !== "";
    const network = {
      path: file,
      room: "data" as const,
      source: source === "topology" ? "mroughan/InternetTopologyZoo" : "ConsenSys/wittgenstein",
      licence: source === "topology" ? "CC BY 4.0" : "Apache-2.0",
    };
    const rules = {
      path: config.policiesFile,
      room: "data" as const,
      source: "written by whoever runs this",
      licence: "theirs",
    };
    const weights = { ...rules, path: config.policyWeights, source: "a run of cnc-brain.train" };
    return {
      files: [
        ...workloadFiles(config),
        ...(config.policyWeights !== "" ? [weights] : []),
        ...(isFile ? [network] : []),
        ...(config.policiesFile !== "" ? [rules] : []),
      ],
    };
  },
  fidelity: () => "simulated",
  metrics,
  views: [
    bars("responses", "Responses", "Mean, median and tail of each policy; simulated."),
    scatter("costAndPrice", "Cost and price", "Lower left is better; the front is marked."),
    scatter("map", "Load on the map", "Nodes of the best policy where they stand, by their load."),
    timeline("placements", "Placements", "First requests of the best policy, node by node."),
    table("policies", "All policies", "Every number of every policy on the same requests."),
    text("explanations", "Decisions explained", "Why a node was chosen and what would win else."),
    table("tenants", "Tenants", "What each tenant used and pays under the best policy."),
    table("autonomy", "Level of autonomy", "Self-grading by what this run shows."),
    table("assumptions", "What is assumed", "Where requests, network and sizes come from."),
  ],
  load: () => import(/* turbopackIgnore: true */ "../schedule-run/run.ts"),
});
