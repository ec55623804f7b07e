import type { SeriesInput } from "@fmlab/experiment";
import type { Cluster } from "../cluster/cluster.ts";
import type { NodeId } from "../node/host.ts";

/** Between two points of the curves, ms. */
const EVERY_MS = 500;

/** How far every validator had come, over time. */
export class Heights {
  readonly #cluster: Cluster;
  readonly #nodes: readonly { readonly node: NodeId; readonly name: string }[];
  readonly #seconds: number[] = [];
  readonly #heights: number[][];
  #lastMs = Number.NEGATIVE_INFINITY;

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
    const { topology, directory } = cluster.site;
    this.#nodes = topology.chains.flatMap(({ id, name }) =>
      directory.nodesOf(id).map((node, index) => ({ node, name: `${name}/${index}` })),
    );
    this.#heights = this.#nodes.map(() => []);
  }

  /** Takes a point when one is due. */
  look(): void {
    const nowMs = this.#cluster.nowMs();
    if (nowMs - this.#lastMs < EVERY_MS) return;
    this.#lastMs = nowMs;
    this.#seconds.push(nowMs / 1_000);
    this.#nodes.forEach(({ node }, i) => {
      this.#heights[i]?.push(this.#cluster.heightOf(node));
    });
  }

  series(): SeriesInput {
    return {
      kind: "line",
      xLabel: "time, s",
      yLabel: "height",
      x: this.#seconds,
      curves: this.#nodes.map(({ name }, i) => ({ name, y: this.#heights[i] ?? [] })),
    };
  }
}
