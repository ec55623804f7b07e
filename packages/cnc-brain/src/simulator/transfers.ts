import type { Simulation } from "@fmlab/sim";
import { FlowNetwork } from "../network/flow-network.ts";
import type { Network } from "../network/network.ts";
import type { NodeSpec, TransferModel } from "./specs.ts";

/** Kilobytes a link of 1 Mbit/s moves in a millisecond. */
const KB_PER_MS_PER_MBPS = 0.125;

/** Transfers between sites and nodes in virtual time. */
export class Transfers {
  readonly #simulation: Simulation;
  readonly #network: Network;
  readonly #nodes: readonly NodeSpec[];
  readonly #flows: FlowNetwork | undefined;
  readonly #linkCount: number;
  /** Half a round trip, and ms for a kilobyte alone, `[site][node]`. */
  readonly #halfRttMs: Float64Array;
  readonly #msPerKb: Float64Array;

  constructor(
    simulation: Simulation,
    network: Network,
    nodes: readonly NodeSpec[],
    model: TransferModel,
  ) {
    this.#simulation = simulation;
    this.#network = network;
    this.#nodes = nodes;
    this.#linkCount = network.capacityMbps.length;
    const sites = network.siteNames.length;
    this.#halfRttMs = new Float64Array(sites * nodes.length);
    this.#msPerKb = new Float64Array(sites * nodes.length);
    for (let site = 0; site < sites; site++) {
      nodes.forEach((node, i) => {
        const at = site * nodes.length + i;
        this.#halfRttMs[at] = (network.rttMs(site, node.site) + node.accessRttMs) / 2;
        const path = network.path(site, node.site);
        let mbps = node.accessMbps;
        for (const link of path) mbps = Math.min(mbps, network.capacityMbps[link] as number);
        this.#msPerKb[at] = 1 / (mbps * KB_PER_MS_PER_MBPS);
      });
    }
    if (model === "shared") {
      // Behind the map's links: each node's own link in and out.
      const access = nodes.flatMap(({ accessMbps }) => [accessMbps, accessMbps]);
      this.#flows = new FlowNetwork(
        simulation,
        Float64Array.from([...network.capacityMbps, ...access]),
      );
    }
  }

  /** Half a round trip between a site and a node. */
  halfRttMs(site: number, node: number): number {
    return this.#halfRttMs[site * this.#nodes.length + node] as number;
  }

  /** How long a transfer takes when nothing else is under way. */
  aloneMs(site: number, node: number, sizeKb: number): number {
    const at = site * this.#nodes.length + node;
    return (this.#halfRttMs[at] as number) + sizeKb * (this.#msPerKb[at] as number);
  }

  /** Moves data from a site to a node; at once (no event) when it takes no time. */
  toNode(site: number, node: number, sizeKb: number, done: () => void): void {
    this.#move(site, node, sizeKb, true, done);
  }

  /** Moves data from a node to a site. */
  fromNode(node: number, site: number, sizeKb: number, done: () => void): void {
    this.#move(site, node, sizeKb, false, done);
  }

  /** Moves data between two nodes; through both access links, half a round trip behind it. */
  betweenNodes(from: number, to: number, sizeKb: number, done: () => void): void {
    const [source, target] = [this.#nodes[from] as NodeSpec, this.#nodes[to] as NodeSpec];
    const latencyMs = this.halfRttMs(source.site, to) + source.accessRttMs / 2;
    const flows = this.#flows;
    if (flows === undefined || sizeKb === 0) {
      const ownMs = sizeKb / (source.accessMbps * KB_PER_MS_PER_MBPS);
      const pathMs = sizeKb * (this.#msPerKb[source.site * this.#nodes.length + to] as number);
      this.#simulation.scheduleAfter(latencyMs + Math.max(ownMs, pathMs), done);
      return;
    }
    const path = [
      this.#linkCount + 2 * from + 1,
      ...this.#network.path(source.site, target.site),
      this.#linkCount + 2 * to,
    ];
    flows.start(Int32Array.from(path), sizeKb * 1000, () => {
      this.#simulation.scheduleAfter(latencyMs, done);
    });
  }

  #move(site: number, node: number, sizeKb: number, isInward: boolean, done: () => void): void {
    const flows = this.#flows;
    if (flows === undefined || sizeKb === 0) {
      const takesMs = this.aloneMs(site, node, sizeKb);
      if (takesMs === 0) done();
      else this.#simulation.scheduleAfter(takesMs, done);
      return;
    }
    const nodeSite = (this.#nodes[node] as NodeSpec).site;
    const path = isInward
      ? [...this.#network.path(site, nodeSite), this.#linkCount + 2 * node]
      : [this.#linkCount + 2 * node + 1, ...this.#network.path(nodeSite, site)];
    flows.start(Int32Array.from(path), sizeKb * 1000, () => {
      this.#simulation.scheduleAfter(this.halfRttMs(site, node), done);
    });
  }
}
