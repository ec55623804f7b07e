import type { Prng } from "@fmlab/sim";
import type { BrainMetrics } from "../brain-metrics.ts";
import type { Timekeeper } from "../timekeeper.ts";
import type { KubeApi } from "./kube-api.ts";
import type { KubeCluster } from "./kube-cluster.ts";
import { readNode, readPod } from "./objects.ts";
import { isOver } from "./pod-facts.ts";
import { Reflector, type ReflectorOptions, type ReflectorSink } from "./reflector.ts";

/** What a follower needs. */
export interface FollowerParts {
  api: KubeApi;
  cluster: KubeCluster;
  metrics: BrainMetrics;
  time: Timekeeper;
  prng: Prng;
}

/** Keeps a cluster's nodes as the API tells them. */
export function nodeSink(
  cluster: KubeCluster,
  metrics: BrainMetrics,
  onChange: () => void,
): ReflectorSink {
  const set = (raw: unknown) => {
    const read = readNode(raw);
    if ("value" in read) cluster.setNode(read.value);
    else metrics.malformed.inc({ source: "node" });
  };
  return {
    replace: (items) => {
      const names = new Set(items.map((raw) => metadataText(raw, "name")));
      for (const name of cluster.nodeNames()) if (!names.has(name)) cluster.removeNode(name);
      items.forEach(set);
      onChange();
    },
    apply: (type, raw) => {
      const name = metadataText(raw, "name");
      if (type === "DELETED" && name !== undefined) cluster.removeNode(name);
      else set(raw);
      onChange();
    },
  };
}

/** Keeps a cluster's placed pods as the API tells them. */
export function placedPodSink(cluster: KubeCluster, metrics: BrainMetrics): ReflectorSink {
  const see = (raw: unknown) => {
    const read = readPod(raw);
    if (!("value" in read)) metrics.malformed.inc({ source: "pod" });
    else if (isOver(read.value)) cluster.remove(read.value.metadata.uid);
    else if (read.value.spec.nodeName) cluster.place(read.value, read.value.spec.nodeName);
  };
  return {
    replace: (items) => {
      const there = new Set(items.map((raw) => metadataText(raw, "uid")));
      for (const uid of cluster.placedUids()) if (!there.has(uid)) cluster.remove(uid);
      items.forEach(see);
    },
    apply: (type, raw) => {
      const uid = metadataText(raw, "uid");
      if (type === "DELETED" && uid !== undefined) cluster.remove(uid);
      else see(raw);
    },
  };
}

/** Follows nodes and placed pods for those who do not bind by themselves. */
export class ClusterFollower {
  readonly #reflectors: Reflector[];

  constructor(options: Omit<ReflectorOptions, "resource">, parts: FollowerParts) {
    const { cluster, metrics, prng } = parts;
    this.#reflectors = [
      new Reflector(
        { resource: "nodes", ...options },
        { ...parts, sink: nodeSink(cluster, metrics, () => {}), prng: prng.fork("nodes") },
      ),
      new Reflector(
        { resource: "pods", ...options },
        { ...parts, sink: placedPodSink(cluster, metrics), prng: prng.fork("pods") },
      ),
    ];
  }

  /** Whether both have been listed. */
  get isSynced(): boolean {
    return this.#reflectors.every((one) => one.isSynced);
  }

  /** Follows until the signal is aborted; never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all(this.#reflectors.map((one) => one.run(signal)));
  }
}

/** A text of an object's metadata, whatever the object is. */
export function metadataText(raw: unknown, field: "name" | "uid"): string | undefined {
  const { metadata } = (raw ?? {}) as { metadata?: Record<string, unknown> | null };
  const value = metadata?.[field];
  return typeof value === "string" ? value : undefined;
}
