import type { Prng } from "@fmlab/sim";
import { CncError } from "../errors.ts";
import type { Network } from "../network/network.ts";
import {
  type FunctionSpec,
  type NodeSpec,
  PLAIN_FUNCTION,
  PLAIN_NODE,
} from "../simulator/specs.ts";
import { type InvocationTrace, sliceTrace } from "../traces/invocation-trace.ts";
import { capacityOf } from "../workload/build-cluster.ts";
import { scaleRequests } from "../workload/scale-load.ts";
import { type Workload, workOf } from "../workload/workload.ts";

/** A testbed and what is asked of it; times are real ones, the trace's over the speed-up. */
export interface TestbedPlan {
  nodes: NodeSpec[];
  functions: FunctionSpec[];
  network: Network;
  trace: InvocationTrace;
  /** An idle process ends after so long. */
  keepMs: number;
  /** Share of a real core that a node's core is. */
  cpuShare: number;
}

/** What a testbed is to be. */
export interface TestbedSettings {
  nodes: number;
  edgeSpeed: number;
  speedUp: number;
  keepMinutes: number;
  cpuShare: number;
}

/** Nodes of one core each, at the network's first sites in turn; the first is the cloud. */
export function testbedNodes(count: number, edgeSpeed: number, network: Network): NodeSpec[] {
  return Array.from({ length: count }, (_, i) => ({
    ...PLAIN_NODE,
    name: i === 0 ? "cloud-0" : `edge-${i - 1}`,
    tier: i === 0 ? ("cloud" as const) : ("edge" as const),
    site: i % network.siteNames.length,
    speed: i === 0 ? 1 : edgeSpeed,
    memoryMb: 1e6,
  }));
}

/**
 * The busiest functions of a workload and their requests, thinned or repeated for a load of the
 * nodes, and cut where enough have arrived: every function is a process on every node. Functions
 * that are over sooner than a request's overhead matters are left out.
 */
export function busiestOf(
  workload: Workload,
  nodes: readonly NodeSpec[],
  want: { functions: number; shortestMs: number; load: number; requestsMax: number },
  prng: Prng,
): Workload {
  const counts = workload.functions.map(() => 0);
  for (const fn of workload.trace.functionIndex) counts[fn] = (counts[fn] as number) + 1;
  const chosen = [...counts.keys()]
    .filter((fn) => (workload.functions[fn]?.meanDurationMs ?? 0) >= want.shortestMs)
    .sort((a, b) => (counts[b] as number) - (counts[a] as number) || a - b)
    .slice(0, want.functions)
    .sort((a, b) => a - b);
  if (chosen.every((fn) => counts[fn] === 0)) {
    throw new CncError(
      `no function of ${want.shortestMs} ms or more has a request; take more functions, more ` +
        "minutes, or a lower speed-up",
      { code: "EMPTY_WORKLOAD", functions: chosen.length, minutes: workload.spanMs / 60_000 },
    );
  }
  const place = new Map(chosen.map((fn, i) => [fn, i]));
  const functions = chosen.flatMap((fn) => workload.functions[fn] ?? []);
  const kept = pick(workload.trace, place);
  const spanMs = Math.max(1, kept.arrivalMs[kept.count - 1] ?? 0);
  const offered = workOf({ functions, trace: kept }) / (capacityOf(nodes) * spanMs);
  const scaled = scaleRequests(kept, want.load / Math.max(1e-9, offered), prng);
  const cutMs = scaled.arrivalMs[want.requestsMax] ?? Number.POSITIVE_INFINITY;
  const firstMs = scaled.arrivalMs[0] ?? 0;
  const trace = sliceTrace(scaled, firstMs, Math.max(firstMs, cutMs));
  return { ...workload, functions, trace };
}

function pick(trace: InvocationTrace, place: ReadonlyMap<number, number>): InvocationTrace {
  const kept = [...trace.functionIndex.keys()].filter((i) =>
    place.has(trace.functionIndex[i] as number),
  );
  return {
    count: kept.length,
    functionIndex: Uint32Array.from(kept, (i) => place.get(trace.functionIndex[i] as number) ?? 0),
    arrivalMs: Float64Array.from(kept, (i) => trace.arrivalMs[i] as number),
    durationMs: Float64Array.from(kept, (i) => trace.durationMs[i] as number),
    site: Uint16Array.from(kept, (i) => trace.site[i] as number),
  };
}

/** Speeds a workload up and strips it of what the testbed has none of: images, data, transfers. */
export function planTestbed(
  workload: Workload,
  network: Network,
  { nodes, edgeSpeed, speedUp, keepMinutes, cpuShare }: TestbedSettings,
): TestbedPlan {
  const { trace } = workload;
  return {
    nodes: testbedNodes(nodes, edgeSpeed, network),
    functions: workload.functions.map(({ name, tenant, meanDurationMs, sloMs }) => ({
      ...PLAIN_FUNCTION,
      // Names of functions are parts of paths.
      name: name.replace(/[^-a-zA-Z0-9]/g, "-"),
      tenant,
      meanDurationMs: meanDurationMs / speedUp,
      sloMs: sloMs / speedUp,
    })),
    network,
    trace: {
      ...trace,
      arrivalMs: trace.arrivalMs.map((ms) => ms / speedUp),
      durationMs: trace.durationMs.map((ms) => ms / speedUp),
    },
    keepMs: (keepMinutes * 60_000) / speedUp,
    cpuShare,
  };
}
