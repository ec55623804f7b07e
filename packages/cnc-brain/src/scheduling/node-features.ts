import { type ClusterView, transferMs } from "../simulator/cluster-view.ts";
import { expectedResponse } from "./expected-response.ts";
import type { PlacementRequest } from "./scheduler.ts";

/**
 * What a learned policy is told of each node: parts that depend on the node alone (encoded again
 * only when `view.version` moved), then parts that depend on the request. Times and sizes are
 * squeezed by log1p so that all lie within about 0..10.
 */
export const NODE_FEATURES = [
  "cores",
  "speed",
  "core share requested",
  "memory share requested",
  "memory share used",
  "running per core",
  "queued per core",
  "backlog per core, ln ms",
  "price per core hour",
  "accelerators free",
] as const;

/** Per pair of request and node. */
export const PAIR_FEATURES = [
  "warm containers, ln",
  "image present",
  "network, ln ms",
  "wait, ln ms",
  "start, ln ms",
  "data, ln ms",
  "run, ln ms",
  "fits now",
] as const;

/** Of the request itself, the same for every node. */
export const REQUEST_FEATURES = [
  "mean duration, ln ms",
  "memory, ln MB",
  "cold start, ln ms",
  "SLO, ln ms",
  "waited so far, ln ms",
  "attempt",
] as const;

const NODE = NODE_FEATURES.length;
const PAIR = PAIR_FEATURES.length;

/** Features of one decision; the arrays are reused by the next. */
export interface EncodedDecision {
  /** `[nodes, NODE_FEATURES + PAIR_FEATURES]`, row-major. */
  readonly nodes: Float32Array;
  /** `[REQUEST_FEATURES]`. */
  readonly request: Float32Array;
  /** `[nodes]`, 1 where allowed. */
  readonly mask: Uint8Array;
  readonly nodeCount: number;
}

/** Encodes decisions for a policy over any number of nodes. */
export class DecisionEncoder {
  readonly #nodes: Float32Array;
  readonly #request = new Float32Array(REQUEST_FEATURES.length);
  readonly #version: Int32Array;

  constructor(readonly nodeCount: number) {
    this.#nodes = new Float32Array(nodeCount * (NODE + PAIR));
    this.#version = new Int32Array(nodeCount).fill(-1);
  }

  /** Features of a request over all nodes; rows outside the mask keep their node part only. */
  encode(request: PlacementRequest, view: ClusterView): EncodedDecision {
    for (let node = 0; node < this.nodeCount; node++) {
      if (this.#version[node] !== view.version[node]) this.#encodeNode(view, node);
    }
    for (const node of request.candidates.nodes) this.#encodePair(request, view, node);
    const fn = view.fn(request.functionIndex);
    this.#request.set([
      Math.log1p(fn.meanDurationMs),
      Math.log1p(fn.memoryMb),
      Math.log1p(fn.coldStartMs),
      Math.log1p(fn.sloMs),
      Math.log1p(Math.max(0, view.nowMs - request.arrivalMs)),
      request.attempt,
    ]);
    return {
      nodes: this.#nodes,
      request: this.#request,
      mask: request.candidates.mask,
      nodeCount: this.nodeCount,
    };
  }

  #encodeNode(view: ClusterView, node: number): void {
    const spec = view.node(node);
    const per = (value: number | undefined) => (value ?? 0) / spec.cores;
    this.#nodes.set(
      [
        Math.log1p(spec.cores),
        spec.speed,
        per(view.coresRequested[node]),
        (view.memoryRequestedMb[node] as number) / spec.memoryMb,
        (view.memoryUsedMb[node] as number) / spec.memoryMb,
        per(view.running[node]),
        per(view.queued[node]),
        Math.log1p(per(view.backlogMs[node])),
        spec.pricePerCoreHour,
        spec.accelerators - (view.acceleratorsRequested[node] as number),
      ],
      node * (NODE + PAIR),
    );
    this.#version[node] = view.version[node] as number;
  }

  #encodePair({ functionIndex, site }: PlacementRequest, view: ClusterView, node: number): void {
    const parts = expectedResponse(view, functionIndex, site, node);
    const at = node * (NODE + PAIR) + NODE;
    const { imageMb } = view.fn(functionIndex);
    const isThere = view.imageAt(node, functionIndex);
    const features = this.#nodes;
    features[at] = Math.log1p(view.warmCount(node, functionIndex));
    features[at + 1] = isThere || transferMs(imageMb, 1) === 0 ? 1 : 0;
    features[at + 2] = Math.log1p(parts.network);
    features[at + 3] = Math.log1p(parts.wait);
    features[at + 4] = Math.log1p(parts.start);
    features[at + 5] = Math.log1p(parts.data);
    features[at + 6] = Math.log1p(parts.run);
    features[at + 7] = view.fits(node, functionIndex) ? 1 : 0;
  }
}
