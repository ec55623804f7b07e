import { type NodeSpec, PLAIN_NODE, TIERS } from "../../simulator/specs.ts";
import { isReady } from "./feasibility.ts";
import type { NodeObject } from "./objects.ts";
import { ACCELERATORS, BRAIN_PREFIX, positive } from "./pod-facts.ts";

const ZONE_LABEL = "topology.kubernetes.io/zone";
const BYTES_PER_MB = 1e6;

/** The zone a node stands in; empty: none told. */
export function zoneOf({ metadata }: NodeObject): string {
  return metadata.labels[ZONE_LABEL] ?? "";
}

/**
 * A node as schedulers know it. Cores, memory and accelerators are what pods may ask for; tier,
 * speed and prices come from labels `cnc-brain.fmlab.dev/tier` and so on, if there are any.
 */
export function nodeSpecOf(node: NodeObject, site: number): NodeSpec {
  const { metadata, status } = node;
  const allocatable = status?.allocatable ?? {};
  const told = (name: string) => metadata.labels[BRAIN_PREFIX + name];
  const tier = TIERS.find((one) => one === told("tier")) ?? "cloud";
  return {
    ...PLAIN_NODE,
    name: metadata.name,
    tier,
    site,
    cores: Math.max(1e-3, allocatable.cpu ?? 0),
    memoryMb: Math.max(1, (allocatable.memory ?? 0) / BYTES_PER_MB),
    accelerators: ACCELERATORS.reduce((sum, name) => sum + (allocatable[name] ?? 0), 0),
    speed: positive(told("speed"), PLAIN_NODE.speed),
    pricePerCoreHour: positive(told("price-per-core-hour"), 0),
    carbonGPerKwh: positive(told("carbon-g-per-kwh"), 0),
    labels: metadata.labels,
  };
}

/** What of a node is built into a view; anything else may change in place. */
export function viewKeyOf(node: NodeObject): string {
  return JSON.stringify([nodeSpecOf(node, 0), zoneOf(node), isReady(node)]);
}

/** Images a node has, by every name they go by, with their size. */
export function imagesOf({ status }: NodeObject): Map<string, number> {
  const images = new Map<string, number>();
  for (const { names, sizeBytes } of status?.images ?? []) {
    for (const name of names) images.set(name, (sizeBytes ?? 0) / BYTES_PER_MB);
  }
  return images;
}
