import { EventQueue } from "@fmlab/sim";
import { requireSetting } from "../errors.ts";
import type { Topology } from "./topology.ts";

/**
 * What the simulator knows of a network: delays and paths between sites. Links here are directed:
 * an undirected link i of a map becomes 2i (from, to) and 2i + 1 (to, from).
 */
export interface Network {
  readonly siteNames: readonly string[];
  /** By directed link. */
  readonly capacityMbps: Float64Array;
  /** There and back without queueing; 0 to itself. */
  rttMs(from: number, to: number): number;
  /** Directed links from one site to another; empty to itself. */
  path(from: number, to: number): Int32Array;
}

/** Shortest paths by delay over a map; ties by fewer links, then by lower link numbers. */
export function networkOfTopology(topology: Topology): Network {
  const count = topology.sites.length;
  const outgoing: number[][] = topology.sites.map(() => []);
  topology.links.forEach(({ from, to }, i) => {
    outgoing[from]?.push(2 * i);
    outgoing[to]?.push(2 * i + 1);
  });
  const delayMs = new Float64Array(count * count).fill(Number.POSITIVE_INFINITY);
  const lastLink = new Int32Array(count * count).fill(-1);
  const endOf = (link: number): number => {
    const { from, to } = topology.links[link >> 1] ?? { from: 0, to: 0 };
    return link % 2 === 0 ? to : from;
  };
  for (let source = 0; source < count; source++) {
    shortestFrom(source, topology, outgoing, endOf, delayMs, lastLink);
  }
  const paths = new Map<number, Int32Array>();
  return {
    siteNames: topology.sites.map(({ name }) => name),
    capacityMbps: Float64Array.from(
      topology.links.flatMap((l) => [l.capacityMbps, l.capacityMbps]),
    ),
    rttMs: (from, to) =>
      (delayMs[from * count + to] as number) + (delayMs[to * count + from] as number),
    path(from, to) {
      const key = from * count + to;
      const known = paths.get(key);
      if (known !== undefined) return known;
      const links: number[] = [];
      for (let at = to; at !== from; ) {
        const link = lastLink[from * count + at] as number;
        links.push(link);
        at = endOf(link ^ 1);
      }
      const path = Int32Array.from(links.reverse());
      paths.set(key, path);
      return path;
    },
  };
}

/** Dijkstra from one site; fills its row of both tables. */
function shortestFrom(
  source: number,
  topology: Topology,
  outgoing: readonly number[][],
  endOf: (link: number) => number,
  delayMs: Float64Array,
  lastLink: Int32Array,
): void {
  const row = source * topology.sites.length;
  delayMs[row + source] = 0;
  const queue = new EventQueue<number>();
  queue.push(0, source);
  for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
    const at = next.value;
    if (next.atMs > (delayMs[row + at] as number)) continue;
    for (const link of outgoing[at] ?? []) {
      const end = endOf(link);
      const through = next.atMs + (topology.links[link >> 1]?.delayMs ?? 0);
      if (through >= (delayMs[row + end] as number)) continue;
      delayMs[row + end] = through;
      lastLink[row + end] = link;
      queue.push(through, end);
    }
  }
}

/** A network of which only round-trip times are known: all pairs, and the sites' access links. */
export interface RttMatrix {
  siteNames: readonly string[];
  /** `[from][to]`, there and back; the diagonal is a site's inner round trip. */
  rttMs: readonly (readonly number[])[];
  /** Capacity of each site's link into and out of the wide area; Infinity: no limit. */
  accessMbps?: number;
}

/**
 * A network from a matrix of round-trip times. Flows share the access links of their two sites: of
 * site i, directed link 2i leads out and 2i + 1 leads in.
 *
 * @throws CncError `BAD_SETTING` for a matrix that is not square or has negative times
 */
export function networkOfRtt(matrix: RttMatrix): Network {
  const { siteNames, rttMs, accessMbps = Number.POSITIVE_INFINITY } = matrix;
  const count = siteNames.length;
  const isSquare = rttMs.length === count && rttMs.every((row) => row.length === count);
  requireSetting(isSquare, "rttMs", rttMs.length, `${count} rows of ${count} round-trip times`);
  for (const time of rttMs.flat()) requireSetting(time >= 0, "rttMs", time, "at least 0");
  return {
    siteNames,
    capacityMbps: new Float64Array(2 * count).fill(accessMbps),
    rttMs: (from, to) => rttMs[from]?.[to] ?? Number.NaN,
    path: (from, to) => (from === to ? new Int32Array(0) : Int32Array.of(2 * from, 2 * to + 1)),
  };
}

/** Every pair at the same round-trip time, without bandwidth limits. */
export function fixedRttNetwork(siteNames: readonly string[], rttMs: number): Network {
  const matrix = siteNames.map(() => siteNames.map(() => rttMs));
  return networkOfRtt({ siteNames, rttMs: matrix });
}
