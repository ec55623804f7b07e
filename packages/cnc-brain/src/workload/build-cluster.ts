import { requireSetting } from "../errors.ts";
import { builtinMap } from "../network/builtin-map.ts";
import {
  fixedRttNetwork,
  type Network,
  networkOfRtt,
  networkOfTopology,
} from "../network/network.ts";
import { readPingTable, readRttMatrix } from "../network/rtt-files.ts";
import type { Topology } from "../network/topology.ts";
import { readTopology } from "../network/topology-zoo.ts";
import { type Discipline, type NodeSpec, PLAIN_NODE } from "../simulator/specs.ts";
import type { NetworkSource } from "./sources.ts";

/** What a cluster is to be; paths are resolved. */
export interface ClusterSettings {
  network: { source: NetworkSource; file: string; name: string; fixedRttMs: number };
  cloudNodes: number;
  edgeNodes: number;
  deviceNodes: number;
  discipline: Discipline;
}

/** Nodes on a network. */
export interface Cluster {
  nodes: NodeSpec[];
  network: Network;
  /** The map, where there is one. */
  topology: Topology | undefined;
  /** Site with the largest cloud: where images come from. */
  registrySite: number;
  notes: string[];
}

/** Sizes, prices and power of the three kinds; chosen to be of the right order, not measured. */
const KINDS = {
  cloud: {
    tier: "cloud",
    cores: 16,
    memoryMb: 65_536,
    accelerators: 2,
    speed: 1,
    acceleratorSpeed: 1,
    pullMbps: 2000,
    pricePerCoreHour: 0.04,
    pricePerGbHour: 0.005,
    powerIdleW: 120,
    powerPerCoreW: 10,
    carbonGPerKwh: 300,
    labels: { tier: "cloud" },
  },
  edge: {
    tier: "edge",
    cores: 4,
    memoryMb: 16_384,
    speed: 0.8,
    pullMbps: 500,
    pricePerCoreHour: 0.06,
    pricePerGbHour: 0.008,
    powerIdleW: 40,
    powerPerCoreW: 8,
    carbonGPerKwh: 350,
    labels: { tier: "edge" },
  },
  device: {
    tier: "device",
    cores: 2,
    memoryMb: 4096,
    speed: 0.4,
    pullMbps: 50,
    accessRttMs: 20,
    accessMbps: 50,
    pricePerCoreHour: 0.02,
    pricePerGbHour: 0.004,
    powerIdleW: 3,
    powerPerCoreW: 2,
    carbonGPerKwh: 400,
    labels: { tier: "device" },
  },
} as const satisfies Record<string, Partial<NodeSpec>>;

/**
 * Builds a cluster: clouds at the sites with the lowest mean round trip to all others, edges and
 * devices spread over the sites. Carbon differs by site, from 0.4 to 1.6 times the kind's value.
 */
export function buildCluster(settings: ClusterSettings): Cluster {
  const { network, topology, notes } = buildNetwork(settings);
  const total = settings.cloudNodes + settings.edgeNodes + settings.deviceNodes;
  requireSetting(total >= 1, "nodes", total, "at least one node in all");
  const sites = network.siteNames.length;
  const central = [...network.siteNames.keys()].sort(
    (a, b) => meanRtt(network, a) - meanRtt(network, b) || a - b,
  );
  const nodes: NodeSpec[] = [];
  const add = (kind: keyof typeof KINDS, count: number, siteOf: (i: number) => number) => {
    for (let i = 0; i < count; i++) {
      const site = siteOf(i);
      const spec = { ...PLAIN_NODE, ...KINDS[kind], discipline: settings.discipline };
      const greenness = 0.4 + 1.2 * (((site * 7) % sites) / sites);
      const carbonGPerKwh = spec.carbonGPerKwh * greenness;
      nodes.push({ ...spec, name: `${kind}-${i}`, site, carbonGPerKwh });
    }
  };
  // Clouds take turns at the three best sites.
  const best = central.slice(0, 3);
  add("cloud", settings.cloudNodes, (i) => best[i % best.length] ?? 0);
  add("edge", settings.edgeNodes, (i) => i % sites);
  add("device", settings.deviceNodes, (i) => (i * 3 + 1) % sites);
  return { nodes, network, topology, registrySite: best[0] ?? 0, notes };
}

/** Sum of cores x speed. */
export function capacityOf(nodes: readonly NodeSpec[]): number {
  return nodes.reduce((sum, { cores, speed }) => sum + cores * speed, 0);
}

function buildNetwork({ network: { source, file, name, fixedRttMs } }: ClusterSettings): {
  network: Network;
  topology: Topology | undefined;
  notes: string[];
} {
  switch (source) {
    case "built-in": {
      const topology = builtinMap();
      const note = "network: the built-in map of ten towns";
      return { network: networkOfTopology(topology), topology, notes: [note] };
    }
    case "topology": {
      const topology = readTopology(file, name);
      const notes = [`network: ${topology.name}`, ...topology.notes];
      return { network: networkOfTopology(topology), topology, notes };
    }
    case "rtt-matrix": {
      const isTable = /\.csv(\.gz)?$/.test(file);
      const cities = name.split(",").map((city) => city.trim());
      const matrix = isTable ? readPingTable(file, cities) : readRttMatrix(file);
      const note = `network: ${matrix.siteNames.length} places, access links of 10 Gbit/s`;
      const network = networkOfRtt({ ...matrix, accessMbps: 10_000 });
      return { network, topology: undefined, notes: [note] };
    }
    case "fixed": {
      const network = fixedRttNetwork(["site-0", "site-1", "site-2", "site-3"], fixedRttMs);
      const note = `network: four sites, every round trip ${fixedRttMs} ms`;
      return { network, topology: undefined, notes: [note] };
    }
  }
}

function meanRtt(network: Network, site: number): number {
  const count = network.siteNames.length;
  let sum = 0;
  for (let other = 0; other < count; other++) sum += network.rttMs(site, other);
  return sum / count;
}
