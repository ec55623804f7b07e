import { createPrng, type Prng } from "@fmlab/sim";
import { CncError } from "../errors.ts";
import { createKeepAlive } from "../keep-alive/registry.ts";
import { pricedBound } from "../scheduling/priced-bound.ts";
import type { Scheduler } from "../scheduling/scheduler.ts";
import { ClusterView } from "../simulator/cluster-view.ts";
import type { SimulationResult } from "../simulator/result.ts";
import { simulate } from "../simulator/simulate.ts";
import {
  buildCluster,
  type Cluster,
  type ClusterSettings,
  capacityOf,
} from "../workload/build-cluster.ts";
import { buildWorkload, type WorkloadSettings } from "../workload/build-workload.ts";
import { type Workload, workOf } from "../workload/workload.ts";

/** A cluster, a load and a part of a trace: plain data, so that a thread can build it. */
export interface ScenarioSpec {
  /** Which topology and load it belongs to. */
  cell: string;
  network: ClusterSettings["network"];
  nodeCount: number;
  load: number;
  /** Of functions, homes and sizes. */
  seed: number;
  workload: WorkloadSettings;
  /** The window ends after so many requests. */
  requestsMax: number;
}

/** A scenario ready to be simulated. */
export interface Scenario {
  spec: ScenarioSpec;
  cluster: Cluster;
  workload: Workload;
  warmupMs: number;
}

/** First share of a window that does not count. */
const WARMUP_SHARE = 0.1;
/** How long idle containers live. */
export const KEEP_MS = 600_000;
/** How near the load must come, and how often the scale is tried. */
const LOAD_TOLERANCE = 0.05;
const ATTEMPTS_MAX = 6;
/** Functions are drawn again while they make fewer requests than this, but not for ever. */
const REQUESTS_MIN = 50;
const DRAWS_MAX = 20;

/**
 * Builds a scenario. One node in six is a cloud. The load holds over the very window that is
 * simulated: the scale is tried again until the part up to the last request has it.
 *
 * @throws CncError for files that cannot be read, `BAD_SETTING`
 */
export function buildScenario(spec: ScenarioSpec): Scenario {
  const cloudNodes = Math.max(1, Math.round(spec.nodeCount / 6));
  const cluster = buildCluster({
    network: spec.network,
    cloudNodes,
    edgeNodes: spec.nodeCount - cloudNodes,
    deviceNodes: 0,
    discipline: "fcfs",
  });
  for (let draw = 0; ; draw++) {
    const workload = drawWorkload(spec, cluster, createPrng(spec.seed, `scenario ${draw}`));
    const isEnough = (workload?.trace.count ?? 0) >= Math.min(REQUESTS_MIN, spec.requestsMax / 4);
    if (workload !== undefined && (isEnough || draw === DRAWS_MAX)) {
      return { spec, cluster, workload, warmupMs: WARMUP_SHARE * workload.spanMs };
    }
  }
}

/** Requests whose load is right over their own window; undefined: there were none. */
function drawWorkload(spec: ScenarioSpec, cluster: Cluster, prng: Prng): Workload | undefined {
  const capacityCores = capacityOf(cluster.nodes);
  const siteCount = cluster.network.siteNames.length;
  const { requestsMax } = spec;
  let { load } = spec;
  try {
    for (let attempt = 1; ; attempt++) {
      const target = { siteCount, capacityCores, load, requestsMax };
      const workload = buildWorkload(spec.workload, target, prng);
      // Over what is left of the window; a trace's rate is not the same in all of it.
      const offered = workOf(workload) / (capacityCores * workload.spanMs);
      const isNear = Math.abs(offered / spec.load - 1) < LOAD_TOLERANCE;
      if (isNear || attempt === ATTEMPTS_MAX) return workload;
      load *= Math.min(4, Math.max(0.25, spec.load / offered));
    }
  } catch (error) {
    if (error instanceof CncError && error.failure.code === "EMPTY_WORKLOAD") return undefined;
    throw error;
  }
}

/** Runs a scenario under one scheduler, containers kept for ten minutes. */
export function runScenario(scenario: Scenario, scheduler: Scheduler): SimulationResult {
  const { cluster, workload, warmupMs } = scenario;
  return simulate({
    nodes: cluster.nodes,
    network: cluster.network,
    registrySite: cluster.registrySite,
    functions: workload.functions,
    trace: workload.trace,
    scheduler,
    keepAlive: createKeepAlive("fixed", { keepMs: KEEP_MS }),
    warmupMs,
  });
}

/** Mean cost that no scheduler can beat on a scenario. */
export function boundOf({ cluster, workload, warmupMs }: Scenario): number {
  const view = new ClusterView(cluster.nodes, workload.functions, cluster.network);
  const window = { fromMs: warmupMs, toMs: workload.spanMs };
  return pricedBound(view, workload.trace, window).placementCost;
}
