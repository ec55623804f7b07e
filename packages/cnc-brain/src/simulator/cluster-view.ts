import type { Network } from "../network/network.ts";
import type { FunctionSpec, NodeSpec } from "./specs.ts";

/** Megabytes at a rate in Mbit/s, as milliseconds. */
export function transferMs(megabytes: number, mbps: number): number {
  return megabytes === 0 ? 0 : (megabytes * 8000) / mbps;
}

/**
 * What is known of a cluster at one moment: the typed snapshot that every scheduler reads.
 *
 * Columns by node, so that a policy may read a hundred nodes without an allocation. In the
 * simulator the live view is kept up to date change by change; `copyFrom` makes a snapshot of it
 * that then grows stale. From a real cluster an adapter fills the same columns.
 */
export class ClusterView {
  readonly nodeCount: number;
  readonly functionCount: number;
  /** Not 0 while the node answers. */
  readonly up: Uint8Array;
  /** Requests that have a container and their cores. */
  readonly running: Int32Array;
  /** Sent to the node and not started, those still on the way included. */
  readonly queued: Int32Array;
  /** Cores asked for by running and queued requests: what Kubernetes calls requests. */
  readonly coresRequested: Float64Array;
  readonly memoryRequestedMb: Float64Array;
  readonly acceleratorsRequested: Float64Array;
  /** Memory of all containers, idle ones included. */
  readonly memoryUsedMb: Float64Array;
  /** Work sent and not finished by its functions' mean durations, core-milliseconds here. */
  readonly backlogMs: Float64Array;
  /** Rises with each change of the node. */
  readonly version: Uint32Array;
  /** Idle containers, `[node][function]`. */
  readonly warm: Uint16Array;
  /** Not 0 where the node has the function's image, `[node][function]`. */
  readonly hasImage: Uint8Array;
  nowMs = 0;
  /** When these columns were true. */
  takenAtMs = 0;

  constructor(
    readonly nodes: readonly NodeSpec[],
    readonly functions: readonly FunctionSpec[],
    readonly network: Network,
  ) {
    this.nodeCount = nodes.length;
    this.functionCount = functions.length;
    this.up = new Uint8Array(nodes.length).fill(1);
    this.running = new Int32Array(nodes.length);
    this.queued = new Int32Array(nodes.length);
    this.coresRequested = new Float64Array(nodes.length);
    this.memoryRequestedMb = new Float64Array(nodes.length);
    this.acceleratorsRequested = new Float64Array(nodes.length);
    this.memoryUsedMb = new Float64Array(nodes.length);
    this.backlogMs = new Float64Array(nodes.length);
    this.version = new Uint32Array(nodes.length);
    this.warm = new Uint16Array(nodes.length * functions.length);
    this.hasImage = new Uint8Array(nodes.length * functions.length);
  }

  /** The node's specification; the index must be one of its own. */
  node(index: number): NodeSpec {
    return this.nodes[index] as NodeSpec;
  }

  /** The function's specification; the index must be one of its own. */
  fn(index: number): FunctionSpec {
    return this.functions[index] as FunctionSpec;
  }

  /** Idle containers of a function on a node. */
  warmCount(node: number, functionIndex: number): number {
    return this.warm[node * this.functionCount + functionIndex] as number;
  }

  /** Whether the node need not fetch the function's image. */
  imageAt(node: number, functionIndex: number): boolean {
    return this.hasImage[node * this.functionCount + functionIndex] !== 0;
  }

  /** Round trip between a user's site and a node, its own last hop included. */
  rttMs(site: number, node: number): number {
    const { site: nodeSite, accessRttMs } = this.node(node);
    return this.network.rttMs(site, nodeSite) + accessRttMs;
  }

  /** Requests there are, running or queued. */
  load(node: number): number {
    return (this.running[node] as number) + (this.queued[node] as number);
  }

  /** Whether the node has the cores, memory and accelerators beside all that was sent to it. */
  fits(node: number, functionIndex: number): boolean {
    const spec = this.node(node);
    const { cores, memoryMb, accelerators } = this.fn(functionIndex);
    return (
      (this.coresRequested[node] as number) + cores <= spec.cores &&
      (this.memoryRequestedMb[node] as number) + memoryMb <= spec.memoryMb &&
      (this.acceleratorsRequested[node] as number) + accelerators <= spec.accelerators
    );
  }

  /** Until a container is ready: 0 when one is idle; else the cold start, with image if missing. */
  startupMs(node: number, functionIndex: number): number {
    if (this.warmCount(node, functionIndex) > 0) return 0;
    const { coldStartMs, imageMb } = this.fn(functionIndex);
    const isHere = this.imageAt(node, functionIndex);
    return coldStartMs + (isHere ? 0 : transferMs(imageMb, this.node(node).pullMbps));
  }

  /** Bytes of the columns that change: what one refresh of a snapshot moves. */
  get snapshotBytes(): number {
    return this.#columns().reduce((sum, column) => sum + column.byteLength, 0);
  }

  /** Makes this the state of another view of the same cluster. */
  copyFrom(live: ClusterView): void {
    const from = live.#columns();
    this.#columns().forEach((column, i) => {
      (column as Float64Array).set(from[i] as Float64Array);
    });
    this.takenAtMs = live.nowMs;
    this.nowMs = live.nowMs;
  }

  #columns() {
    return [
      this.up,
      this.running,
      this.queued,
      this.coresRequested,
      this.memoryRequestedMb,
      this.acceleratorsRequested,
      this.memoryUsedMb,
      this.backlogMs,
      this.version,
      this.warm,
      this.hasImage,
    ];
  }
}
