import type { Prng } from "@fmlab/sim";
import type { Network } from "../network/network.ts";
import type { NodeFailure, NodeSpec } from "../simulator/specs.ts";
import {
  type InvocationRow,
  type InvocationTrace,
  traceOfRows,
} from "../traces/invocation-trace.ts";
import type { Shift } from "./shifts.ts";

/** A trace and failures with a shift in them. */
export interface ShiftedWorkload {
  trace: InvocationTrace;
  failures: NodeFailure[];
  /** What was done, in words. */
  note: string;
}

/** Far beyond any trace. */
const FOR_GOOD_MS = 1e12;
/** A region is a site and the sites nearest to it. */
const REGION_SITES = 3;
/** Copies of a request lie up to so far behind it. */
const COPY_SPREAD_MS = 5_000;

/**
 * Plants a shift at a time, for good: traffic grows by a factor and comes from other sites; the
 * largest node is lost; or all nodes of the region with the most cores are.
 */
export function plantShift(
  trace: InvocationTrace,
  cluster: { nodes: readonly NodeSpec[]; network: Network },
  shift: { kind: Shift; atMs: number; trafficFactor: number },
  prng: Prng,
): ShiftedWorkload {
  const { nodes, network } = cluster;
  const lose = (lost: number[], what: string): ShiftedWorkload => ({
    trace,
    failures: lost.map((node) => ({ node, atMs: shift.atMs, forMs: FOR_GOOD_MS })),
    note: `${what}: ${lost.map((node) => nodes[node]?.name).join(", ")} are lost`,
  });
  switch (shift.kind) {
    case "none":
      return { trace, failures: [], note: "no shift" };
    case "traffic":
      return {
        trace: growTraffic(trace, shift, network.siteNames.length, prng),
        failures: [],
        note: `traffic x ${shift.trafficFactor}, users half-way round the list of sites`,
      };
    case "node-loss": {
      const largest = [...nodes.keys()].sort((a, b) => coresOf(nodes, b) - coresOf(nodes, a));
      return lose(largest.slice(0, 1), "the largest node");
    }
    case "region-outage": {
      const region = largestRegion(nodes, network);
      const lost = [...nodes.keys()].filter((node) => region.has(nodes[node]?.site ?? -1));
      // A cluster that is one region would be gone as a whole.
      return lose(lost.slice(0, nodes.length - 1), "a region");
    }
  }
}

function growTraffic(
  trace: InvocationTrace,
  { atMs, trafficFactor }: { atMs: number; trafficFactor: number },
  siteCount: number,
  prng: Prng,
): InvocationTrace {
  const rows: InvocationRow[] = [];
  for (let i = 0; i < trace.count; i++) {
    const row = {
      functionIndex: trace.functionIndex[i] as number,
      arrivalMs: trace.arrivalMs[i] as number,
      durationMs: trace.durationMs[i] as number,
      site: trace.site[i] as number,
    };
    if (row.arrivalMs < atMs) {
      rows.push(row);
      continue;
    }
    const moved = { ...row, site: (row.site + (siteCount >> 1)) % siteCount };
    const copies = Math.floor(trafficFactor) + (prng.chance(trafficFactor % 1) ? 1 : 0);
    for (let k = 0; k < copies; k++) {
      const laterMs = k === 0 ? 0 : prng.nextFloat() * COPY_SPREAD_MS;
      rows.push({ ...moved, arrivalMs: row.arrivalMs + laterMs });
    }
  }
  return traceOfRows(rows);
}

function largestRegion(nodes: readonly NodeSpec[], network: Network): Set<number> {
  const cores = network.siteNames.map((_, site) =>
    nodes.reduce((sum, node) => sum + (node.site === site ? node.cores : 0), 0),
  );
  const centre = cores.indexOf(Math.max(...cores));
  const near = [...cores.keys()].sort(
    (a, b) => network.rttMs(centre, a) - network.rttMs(centre, b) || a - b,
  );
  return new Set(near.slice(0, REGION_SITES));
}

const coresOf = (nodes: readonly NodeSpec[], node: number): number => nodes[node]?.cores ?? 0;
