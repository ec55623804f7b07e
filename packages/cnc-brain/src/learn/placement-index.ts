import type { ClusterView } from "../simulator/cluster-view.ts";

/**
 * Numbers of the placement index, all learned by search; all zero: the plain heuristic, by which
 * the node with the least expected response is taken and nobody waits while a node has room.
 */
export const INDEX_PARAMETERS = [
  /** Share of the cluster's cores that the longest functions leave free. */
  "reserve",
  /** From which mean duration on functions leave cores free: ln of it over 2 s. */
  "long, ln",
  /** Cost of holding a core for a second on an empty node of 4 cores at a middle place. */
  "price",
  /** By what the price grows with use of the cluster, use of the node, ln of its size, distance. */
  "price by cluster",
  "price by node",
  "price by size",
  "price by distance",
  /** How much dearer a node's last free core is, ln: idle containers behind it are of no use. */
  "price of the last core, ln",
  /** What it is worth that an image, or a container, is there for those who come later. */
  "worth of an image",
  "worth of a container",
  /** Weight of the chance that the answer comes too late. */
  "miss",
  /** The expected time until a busy container is free counts so often; 0: nobody waits for it. */
  "wait",
] as const;

/** One number for each of `INDEX_PARAMETERS`. */
export type PlacementIndex = Float32Array;

/** The plain heuristic. */
export const HEURISTIC_INDEX: PlacementIndex = new Float32Array(INDEX_PARAMETERS.length);

/** How sharply a miss sets in around the target, and where reserves begin, ms. */
const MISS_SLOPE = 5;
const LONG_MS = 2000;
/** Durations above the beginning by this factor (e cubed) leave the whole reserve. */
const LN_RAMP = 3;
/** Bounds of exponents: whatever the numbers, prices stay finite. */
const EXPONENT_MAX = 12;

/** A placement's price and worth, from an index's numbers and a cluster. */
export class IndexPrices {
  readonly #index: PlacementIndex;
  /** Mean round trip from all sites over the cluster's mean, less 1, by node. */
  readonly #distance: Float64Array;
  readonly #sizeLn: Float64Array;
  /** Cost of a core-millisecond, by node; as of `update`. */
  readonly #price: Float64Array;
  #isFree = true;

  constructor(view: ClusterView, index: PlacementIndex) {
    this.#index = index;
    const sites = view.network.siteNames.length;
    const mean = Float64Array.from(view.nodes, (_, node) => {
      let sum = 0;
      for (let site = 0; site < sites; site++) sum += view.rttMs(site, node) / sites;
      return sum;
    });
    const all = mean.reduce((a, b) => a + b, 0) / Math.max(1, mean.length);
    this.#distance = mean.map((ms) => ms / Math.max(1e-9, all) - 1);
    this.#sizeLn = Float64Array.from(view.nodes, ({ cores }) => Math.log(cores / 4));
    this.#price = new Float64Array(view.nodeCount);
    this.#isFree = this.#at(2) <= 0;
  }

  /** Price of a node's core time at these shares of cores in use. */
  setPrice(node: number, clusterUse: number, nodeUse: number, isLast: boolean): void {
    if (this.#isFree) return;
    const exponent =
      this.#at(3) * clusterUse +
      this.#at(4) * nodeUse +
      this.#at(5) * (this.#sizeLn[node] as number) +
      this.#at(6) * (this.#distance[node] as number) +
      (isLast ? this.#at(7) : 0);
    const bounded = Math.min(EXPONENT_MAX, Math.max(-EXPONENT_MAX, exponent));
    this.#price[node] = (this.#at(2) * Math.exp(bounded)) / 1000;
  }

  /** Cost that a placement is expected to cause, to itself and to others; in the cost's unit. */
  scoreOf(
    node: number,
    placement: {
      /** Waited so far and expected, over the target. */
      responseOverSlo: number;
      heldCoreMs: number;
      isCold: boolean;
      hasImage: boolean;
    },
  ): number {
    const { responseOverSlo, heldCoreMs, isCold, hasImage } = placement;
    let score = responseOverSlo;
    const miss = this.#at(10);
    if (miss > 0) score += miss / (1 + Math.exp(-MISS_SLOPE * (responseOverSlo - 1)));
    if (!this.#isFree) score += (this.#price[node] as number) * heldCoreMs;
    if (isCold) score -= this.#at(9) + (hasImage ? 0 : this.#at(8));
    return score;
  }

  /** By how much waiting for a container counts more than its expected time; 0: nobody waits. */
  get caution(): number {
    return Math.max(0, this.#at(11));
  }

  /** Cores that a function leaves free. */
  reserveCores(meanDurationMs: number, totalCores: number): number {
    const share = Math.min(0.9, this.#at(0));
    if (share <= 0) return 0;
    const longMs = LONG_MS * Math.exp(Math.min(5, Math.max(-5, this.#at(1))));
    const ramp = Math.min(1, Math.log(Math.max(1, meanDurationMs / longMs)) / LN_RAMP);
    return share * ramp * totalCores;
  }

  #at(parameter: number): number {
    return this.#index[parameter] as number;
  }
}
