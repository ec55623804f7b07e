import { Governor, type Tenant } from "../../governance/governor.ts";
import { type PolicyRule, PolicySet } from "../../governance/policies.ts";
import { networkOfRtt } from "../../network/network.ts";
import { ClusterView } from "../../simulator/cluster-view.ts";
import type { FunctionSpec } from "../../simulator/specs.ts";
import type { BrainModel } from "../brain.ts";
import { isReady, type NodeUse, type PodNeeds } from "./feasibility.ts";
import { imagesOf, nodeSpecOf, viewKeyOf, zoneOf } from "./node-facts.ts";
import type { NodeObject, PodObject } from "./objects.ts";
import { BRAIN_PREFIX, functionOf, hostPortsOf, isOver, requestsOf } from "./pod-facts.ts";

/** Beyond so many kinds, those that no placed pod is of are forgotten. */
const KINDS_MAX = 2048;

/** What Kubernetes does not tell of a cluster. */
export interface KubeClusterOptions {
  policies: readonly PolicyRule[];
  tenants: readonly Tenant[];
  /** Round trips between zones, ms; pairs that are left out take `defaultRttMs`. */
  zoneRttMs: Readonly<Record<string, Readonly<Record<string, number>>>>;
  defaultRttMs: number;
}

/** A pod that has its node, or is about to. */
interface PlacedPod extends PodNeeds {
  node: string;
  functionIndex: number;
  /** Whether its share of the tenant's quota is counted. */
  hasQuota: boolean;
}

/** The kind of work and place of a pod in the model. */
export interface PodPlace {
  functionIndex: number;
  site: number;
}

/** View and governor, and the index of each node's name. */
export interface KubeModel extends BrainModel {
  indexOf: ReadonlyMap<string, number>;
}

/**
 * The cluster as told by the API, in the columns that schedulers read. Pods are assumed to be where
 * they are being bound, so that the next decision counts them. When nodes come or go, or a new kind
 * of pod appears, a new view is made; otherwise columns change in place.
 */
export class KubeCluster {
  readonly #options: KubeClusterOptions;
  readonly #nodes = new Map<string, NodeObject>();
  readonly #placed = new Map<string, PlacedPod>();
  readonly #use = new Map<string, NodeUse>();
  #kinds: FunctionSpec[] = [];
  readonly #kindOf = new Map<string, number>();
  #siteOf = new Map<string, number>();
  #model: KubeModel | undefined;

  constructor(options: KubeClusterOptions) {
    this.#options = options;
  }

  /** A node appeared or changed. */
  setNode(node: NodeObject): void {
    const { name } = node.metadata;
    const before = this.#nodes.get(name);
    this.#nodes.set(name, node);
    if (before === undefined || viewKeyOf(before) !== viewKeyOf(node)) this.#model = undefined;
    else this.#fill(name);
  }

  /** A node is gone. */
  removeNode(name: string): void {
    if (this.#nodes.delete(name)) this.#model = undefined;
  }

  node(name: string): NodeObject | undefined {
    return this.#nodes.get(name);
  }

  /** Names of all nodes. */
  nodeNames(): string[] {
    return [...this.#nodes.keys()];
  }

  /** Where a pod runs or is assumed to run. */
  nodeOf(uid: string): string | undefined {
    return this.#placed.get(uid)?.node;
  }

  /** Uids of pods on nodes. */
  placedUids(): string[] {
    return [...this.#placed.keys()];
  }

  /** Everything taken on a node. */
  useOf(node: string): NodeUse {
    let use = this.#use.get(node);
    if (use === undefined) {
      use = { requests: {}, hostPorts: new Set(), pods: 0 };
      this.#use.set(node, use);
    }
    return use;
  }

  /**
   * A pod has a node, by the API's word or by assumption. Told twice, it counts once.
   *
   * @param hasQuota its share of the quota was taken by the decision already
   */
  place(pod: PodObject, node: string, hasQuota = false): void {
    const { uid } = pod.metadata;
    if (isOver(pod)) {
      this.remove(uid);
      return;
    }
    const before = this.#placed.get(uid);
    if (before?.node === node) return;
    if (before !== undefined) this.remove(uid);
    const { functionIndex } = this.placeOf(pod);
    const needs = { pod, requests: requestsOf(pod), hostPorts: hostPortsOf(pod) };
    const isCounted = hasQuota || (this.#model?.governor.acquire(functionIndex) ?? false);
    this.#placed.set(uid, { ...needs, node, functionIndex, hasQuota: isCounted });
    count(this.useOf(node), needs, 1);
    this.#fill(node);
  }

  /** A pod has ended, or its binding failed. */
  remove(uid: string): void {
    const placed = this.#placed.get(uid);
    if (placed === undefined) return;
    this.#placed.delete(uid);
    count(this.useOf(placed.node), placed, -1);
    if (placed.hasQuota) this.#model?.governor.release(placed.functionIndex);
    this.#fill(placed.node);
  }

  /** The kind of a pod and its users' site; call it before `model`: a new kind makes a new view. */
  placeOf(pod: PodObject): PodPlace {
    const spec = functionOf(pod);
    const key = JSON.stringify(spec);
    let kind = this.#kindOf.get(key);
    if (kind === undefined) {
      kind = this.#kindOf.size;
      this.#kindOf.set(key, kind);
      // Whoever keeps facts of a view's functions must see that it is another view.
      this.#kinds = [...this.#kinds, spec];
      this.#model = undefined;
    }
    const zone = pod.metadata.annotations[`${BRAIN_PREFIX}site`] ?? "";
    return { functionIndex: kind, site: this.#siteOf.get(zone) ?? 0 };
  }

  /** The model as of now. */
  model(nowMs: number): KubeModel {
    this.#model ??= this.#build();
    this.#model.view.takenAtMs = nowMs;
    return this.#model;
  }

  /** Forgets kinds of pods that are gone, once there are many. */
  forgetOldKinds(): void {
    if (this.#kindOf.size <= KINDS_MAX) return;
    this.#kindOf.clear();
    this.#kinds = [];
    this.#model = undefined;
    for (const placed of this.#placed.values()) {
      placed.functionIndex = this.placeOf(placed.pod).functionIndex;
    }
  }

  #build(): KubeModel {
    const nodes = [...this.#nodes.values()].sort((a, b) =>
      a.metadata.name < b.metadata.name ? -1 : 1,
    );
    const zones = [...new Set(["", ...nodes.map(zoneOf)])];
    this.#siteOf = new Map(zones.map((zone, i) => [zone, i]));
    const specs = nodes.map((node) => nodeSpecOf(node, this.#siteOf.get(zoneOf(node)) ?? 0));
    const network = networkOfRtt({ siteNames: zones, rttMs: this.#rttOf(zones) });
    const view = new ClusterView(specs, this.#kinds, network);
    const { policies, tenants } = this.#options;
    const rules = new PolicySet(policies, zones);
    const governor = new Governor(this.#kinds, specs, rules, tenants);
    const indexOf = new Map(specs.map(({ name }, i) => [name, i]));
    this.#model = { view, governor, indexOf };
    for (const placed of this.#placed.values()) {
      placed.hasQuota = governor.acquire(placed.functionIndex);
    }
    for (const { name } of specs) this.#fill(name);
    return this.#model;
  }

  #rttOf(zones: readonly string[]): number[][] {
    const { zoneRttMs, defaultRttMs } = this.#options;
    return zones.map((from) =>
      zones.map((to) =>
        from === to ? 0 : (zoneRttMs[from]?.[to] ?? zoneRttMs[to]?.[from] ?? defaultRttMs),
      ),
    );
  }

  /** Writes what is known of a node into its columns. */
  #fill(name: string): void {
    const model = this.#model;
    const i = model?.indexOf.get(name);
    const node = this.#nodes.get(name);
    if (model === undefined || i === undefined || node === undefined) return;
    const { view } = model;
    const use = this.useOf(name);
    view.up[i] = isReady(node) ? 1 : 0;
    view.running[i] = use.pods;
    view.coresRequested[i] = use.requests.cpu ?? 0;
    view.memoryRequestedMb[i] = (use.requests.memory ?? 0) / 1e6;
    view.memoryUsedMb[i] = view.memoryRequestedMb[i] as number;
    view.version[i] = (view.version[i] as number) + 1;
    const images = imagesOf(node);
    const row = i * view.functionCount;
    for (let kind = 0; kind < view.functionCount; kind++) {
      view.hasImage[row + kind] = images.has(view.fn(kind).image) ? 1 : 0;
    }
  }
}

function count(use: NodeUse, { requests, hostPorts }: PodNeeds, sign: 1 | -1): void {
  use.pods += sign;
  for (const [name, amount] of Object.entries(requests)) {
    use.requests[name] = (use.requests[name] ?? 0) + sign * amount;
  }
  for (const port of hostPorts) {
    if (sign > 0) use.hostPorts.add(port);
    else use.hostPorts.delete(port);
  }
}
