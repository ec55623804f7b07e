import type { KeepAliveName } from "../keep-alive/names.ts";
import { createKeepAlive, type KeepAliveSettings } from "../keep-alive/registry.ts";
import { fixedRttNetwork } from "../network/network.ts";
import { roundRobin } from "../scheduling/round-robin.ts";
import { simulate } from "../simulator/simulate.ts";
import { PLAIN_NODE } from "../simulator/specs.ts";
import { summarise } from "../simulator/summary.ts";
import type { Workload } from "../workload/workload.ts";

/** Enough cores that none is ever waited for: only memory is at stake. */
const CORES = 1_000_000;
/** More memory than any trace needs. */
const UNLIMITED_MB = 1e9;

/** One policy at one setting of its dial. */
export interface KeepaliveCell {
  policy: KeepAliveName;
  /** The dial's value, in words. */
  setting: string;
  settings: KeepAliveSettings;
}

/** What it did. */
export interface KeepalivePoint extends KeepaliveCell {
  /** Percent of the requests. */
  coldStartRate: number;
  idleMemoryGbHours: number;
  coldDelayMsMean: number;
  evicted: number;
  prewarmed: number;
}

/** Values of each policy's dial; each is a point. */
export interface KeepaliveDials {
  policies: readonly KeepAliveName[];
  keepMinutes: readonly number[];
  /** Memory of all containers, idle ones included, over the most that requests need at once. */
  memoryFactors: readonly number[];
  /** Range of the histogram, minutes. */
  histogramMinutes: readonly number[];
  memoryPrices: readonly number[];
}

/** Every policy at every value of its dial. */
export function cellsOf(dials: KeepaliveDials, workload: Workload): KeepaliveCell[] {
  const busyMb = busiestMb(workload);
  const cells = (policy: KeepAliveName): KeepaliveCell[] => {
    switch (policy) {
      case "fixed":
        return dials.keepMinutes.map((minutes) => ({
          policy,
          setting: `${minutes} min`,
          settings: { keepMs: minutes * 60_000 },
        }));
      case "lru":
      case "greedy-dual":
        return dials.memoryFactors.map((factor) => ({
          policy,
          setting: `memory x ${factor}`,
          settings: { containersMb: factor * busyMb },
        }));
      case "hybrid-histogram":
        return dials.histogramMinutes.map((rangeMinutes) => ({
          policy,
          setting: `range ${rangeMinutes} min`,
          settings: { rangeMinutes },
        }));
      case "index":
      case "oracle":
        return dials.memoryPrices.map((memoryPrice) => ({
          policy,
          setting: `price ${memoryPrice}`,
          settings: { memoryPrice, saves: "count", trace: workload.trace },
        }));
    }
  };
  return dials.policies.flatMap(cells);
}

/** Most memory that requests need at once when none waits, cold starts included. */
function busiestMb({ functions, trace }: Workload): number {
  const changes: { atMs: number; byMb: number }[] = [];
  trace.functionIndex.forEach((index, id) => {
    const fn = functions[index];
    if (fn === undefined) return;
    const atMs = trace.arrivalMs[id] as number;
    changes.push({ atMs, byMb: fn.memoryMb });
    changes.push({
      atMs: atMs + (trace.durationMs[id] as number) + fn.coldStartMs,
      byMb: -fn.memoryMb,
    });
  });
  changes.sort((a, b) => a.atMs - b.atMs || a.byMb - b.byMb);
  let [inUse, most] = [0, 0];
  for (const { byMb } of changes) {
    inUse += byMb;
    most = Math.max(most, inUse);
  }
  return most;
}

/** Plays a workload on one node under one policy. */
export function measurePoint({ functions, trace }: Workload, cell: KeepaliveCell): KeepalivePoint {
  const result = simulate({
    nodes: [
      {
        ...PLAIN_NODE,
        name: "node",
        cores: CORES,
        accelerators: CORES,
        memoryMb: UNLIMITED_MB,
      },
    ],
    functions,
    trace,
    network: fixedRttNetwork(["here"], 0),
    scheduler: roundRobin(),
    keepAlive: createKeepAlive(cell.policy, cell.settings),
  });
  const { coldStartRate, idleMemoryGbHours } = summarise(result);
  const delays = result.delayMs.reduce((sum, ms) => sum + (Number.isNaN(ms) ? 0 : ms), 0);
  return {
    ...cell,
    coldStartRate: 100 * coldStartRate,
    idleMemoryGbHours,
    coldDelayMsMean: delays / trace.count,
    evicted: result.containers.evicted,
    prewarmed: result.containers.prewarmed,
  };
}
