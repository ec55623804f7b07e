import type { Prng } from "@fmlab/sim";
import type { ClusterSettings } from "../workload/build-cluster.ts";
import type { WorkloadSettings } from "../workload/build-workload.ts";
import type { ScenarioSpec } from "./scenario.ts";

/** A network by name. */
export interface Topology {
  name: string;
  network: ClusterSettings["network"];
}

/** Minutes of the trace, [from, to). */
export interface Window {
  fromMinute: number;
  toMinute: number;
}

/** What scenarios are drawn from. */
export interface ScenarioSource {
  topologies: readonly Topology[];
  workload: WorkloadSettings;
  requestsMax: number;
}

/** Seeds of training, validation and test workloads never meet. */
const SEED_RANGES = { train: 1_000_000, validate: 2_000_000, test: 3_000_000 } as const;
/** A series has at most so many seeds. */
const SERIES_SEEDS = 1000;
/** Loads that training draws from, a little wider than what is tested. */
const TRAIN_LOADS = [0.4, 0.95] as const;
const TRAIN_NODES = [4, 32] as const;

/** A training scenario: any topology, load, size, functions and minute of the window. */
export function drawTraining(source: ScenarioSource, window: Window, prng: Prng): ScenarioSpec {
  const topology = prng.pick(source.topologies);
  const [least, most] = TRAIN_LOADS;
  const [fewest, largest] = TRAIN_NODES;
  // Even in the logarithm: small clusters are as different from each other as large ones.
  const nodeCount = Math.round(fewest * (largest / fewest) ** prng.nextFloat());
  return specOf(source, topology, {
    cell: "training",
    nodeCount,
    load: least + (most - least) * prng.nextFloat(),
    seed: SEED_RANGES.train + prng.nextInt(100_000),
    fromMinute: startIn(window, source.workload.minutes, prng),
  });
}

/** Every cell's scenarios: topologies x loads x seeds, at one size. */
export function gridOf(
  source: ScenarioSource,
  window: Window,
  grid: {
    part: "validate" | "test";
    loads: readonly number[];
    seeds: number;
    nodeCount: number;
    /** Another number: other workloads, that nobody has seen yet. */
    series?: number;
  },
  prng: Prng,
): ScenarioSpec[] {
  return source.topologies.flatMap((topology) =>
    grid.loads.flatMap((load) =>
      Array.from({ length: grid.seeds }, (_, k) =>
        specOf(source, topology, {
          cell: cellName(topology.name, load),
          nodeCount: grid.nodeCount,
          load,
          seed: SEED_RANGES[grid.part] + SERIES_SEEDS * (grid.series ?? 0) + k,
          // The same minutes in every cell, so that cells differ in what they are named for.
          fromMinute: startIn(window, source.workload.minutes, prng.fork(k)),
        }),
      ),
    ),
  );
}

/** Name of a topology and load. */
export function cellName(topology: string, load: number): string {
  return `${topology} at ${load}`;
}

function specOf(
  { workload, requestsMax }: ScenarioSource,
  { network }: Topology,
  part: Pick<ScenarioSpec, "cell" | "nodeCount" | "load" | "seed"> & { fromMinute: number },
): ScenarioSpec {
  const { fromMinute, ...rest } = part;
  return { ...rest, network, requestsMax, workload: { ...workload, fromMinute } };
}

function startIn({ fromMinute, toMinute }: Window, minutes: number, prng: Prng): number {
  return fromMinute + prng.nextInt(Math.max(1, toMinute - fromMinute - minutes + 1));
}
