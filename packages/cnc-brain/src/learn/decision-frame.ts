import { expectedResponse, expectedWaitMs } from "../scheduling/expected-response.ts";
import type { PlacementRequest } from "../scheduling/scheduler.ts";
import type { ClusterView } from "../simulator/cluster-view.ts";

/** What the policy is told of a node alone; encoded again only when the node changed. */
export const NODE_INPUTS = [
  "cores, ln",
  "speed",
  "cores requested, share",
  "memory used, share",
  "running per core",
  "backlog per core, ln ms",
] as const;

/** Of a request on a node. Times as ln(1 + ms) / 10. */
export const PAIR_INPUTS = [
  "warm containers, ln",
  "network",
  "start",
  "data and run",
  "response over the best node's, ln",
  "response over SLO",
] as const;

/** Of the request and of the cluster as a whole; the same for every node. */
export const CONTEXT_FEATURES = [
  "mean duration",
  "SLO",
  "cold start",
  "waited over SLO",
  "best response over SLO",
  "best occupancy",
  "free cores, share",
  "free cores, ln",
  "cores, ln",
  "nodes that fit, share",
  "waiting per core, ln",
  "backlog per core",
  "warm containers, ln",
  "constant",
] as const;

const NODE = NODE_INPUTS.length;
const PAIR = PAIR_INPUTS.length;
/** How much less likely than the best node waiting is before anything is learned, in ln. */
const QUEUE_PRIOR = -4;
/** By how much twice the expected response makes a node less likely, in ln per ln. */
const PRIOR_SHARPNESS = 6;

/** What is decided beside the view: cores and memory given away in the same round. */
export interface RoundState {
  readonly coresTaken: Float64Array;
  readonly memoryTakenMb: Float64Array;
  /** Requests that wait at the gateway, this one included. */
  waiting: number;
}

/** A round in which nothing has been decided. */
export function emptyRound(nodeCount: number, waiting = 1): RoundState {
  return {
    coresTaken: new Float64Array(nodeCount),
    memoryTakenMb: new Float64Array(nodeCount),
    waiting,
  };
}

/** Parts of an expected response that never change, by node: network, data, run. */
interface FixedParts {
  networkMs: Float64Array;
  dataRunMs: Float64Array;
}

/**
 * Encodes one decision at a time over any number of nodes: features, the mask of nodes with room,
 * and the prior, by which the node with the least expected response is the likeliest and waiting is
 * the only choice when no node has room. That is what min-cost flow does with one request.
 *
 * Arrays are reused by the next decision. `version` tells which nodes' features moved.
 */
export class DecisionFrame {
  /** `[nodes, NODE_INPUTS]`. */
  readonly nodes: Float32Array;
  /** When each node's features were last encoded, as `view.version` counts. */
  readonly version: Float64Array;
  /** `[nodes, PAIR_INPUTS]`; rows outside the mask are old. */
  readonly pairs: Float32Array;
  readonly context = new Float32Array(CONTEXT_FEATURES.length);
  /** 1: the node has room. `[nodes]`, then waiting at `[nodes]`. */
  readonly mask: Uint8Array;
  /** ln of the heuristic's preference, `[nodes + 1]`; read only where the mask is 1. */
  readonly prior: Float32Array;
  /** Nodes with room, rising; the first `fitCount` count. */
  readonly fits: Int32Array;
  fitCount = 0;
  /** Least expected response among nodes with room, ms; Infinity: none has room. */
  bestMs = Number.POSITIVE_INFINITY;
  /** Core time the request would hold there, ms. */
  occupancyMs = Number.POSITIVE_INFINITY;
  freeCores = 0;
  totalCores = 0;
  readonly #responseMs: Float64Array;
  readonly #fixed = new Map<number, FixedParts>();
  #backlogMs = 0;

  constructor(readonly view: ClusterView) {
    const count = view.nodeCount;
    this.nodes = new Float32Array(count * NODE);
    this.version = new Float64Array(count).fill(-1);
    this.pairs = new Float32Array(count * PAIR);
    this.mask = new Uint8Array(count + 1);
    this.prior = new Float32Array(count + 1);
    this.fits = new Int32Array(count);
    this.#responseMs = new Float64Array(count);
    this.totalCores = view.nodes.reduce((sum, { cores }) => sum + cores, 0);
  }

  get nodeCount(): number {
    return this.view.nodeCount;
  }

  /** Features of a request now. */
  encode(request: PlacementRequest, round: RoundState): void {
    this.#encodeCluster(round);
    this.rank(request, round);
    this.#encodePairs(request);
    this.#encodeContext(request, round);
    this.#setPrior();
  }

  /** Only which nodes have room and the best of them: enough to order requests by. */
  rank(request: PlacementRequest, round: RoundState): void {
    const { view } = this;
    const { functionIndex, site, candidates } = request;
    const fn = view.fn(functionIndex);
    const fixed = this.#fixedOf(functionIndex, site);
    this.fitCount = 0;
    this.bestMs = Number.POSITIVE_INFINITY;
    this.occupancyMs = Number.POSITIVE_INFINITY;
    for (let i = 0; i < candidates.nodes.length; i++) {
      const node = candidates.nodes[i] as number;
      if (!hasRoom(view, node, functionIndex, round)) continue;
      this.fits[this.fitCount++] = node;
      const heldMs = view.startupMs(node, functionIndex) + (fixed.dataRunMs[node] as number);
      // Accelerators queue apart from cores; a node with room has no wait for cores.
      const waitMs = fn.accelerators > 0 ? expectedWaitMs(view, functionIndex, node) : 0;
      const totalMs = (fixed.networkMs[node] as number) + heldMs + waitMs;
      this.#responseMs[node] = totalMs;
      if (totalMs >= this.bestMs) continue;
      this.bestMs = totalMs;
      this.occupancyMs = heldMs;
    }
  }

  #encodeCluster(round: RoundState): void {
    const { view } = this;
    let free = 0;
    let backlog = 0;
    for (let node = 0; node < view.nodeCount; node++) {
      const { cores } = view.node(node);
      backlog += view.backlogMs[node] as number;
      const used = (view.coresRequested[node] as number) + (round.coresTaken[node] as number);
      if (view.up[node] !== 0 && used < cores) free += cores - used;
      if (this.version[node] !== view.version[node]) this.#encodeNode(node);
    }
    this.freeCores = free;
    this.#backlogMs = backlog;
  }

  #encodeNode(node: number): void {
    const { view, nodes } = this;
    const { cores, speed, memoryMb } = view.node(node);
    const at = node * NODE;
    nodes[at] = Math.log1p(cores) / 3;
    nodes[at + 1] = speed;
    nodes[at + 2] = (view.coresRequested[node] as number) / cores;
    nodes[at + 3] = (view.memoryUsedMb[node] as number) / memoryMb;
    nodes[at + 4] = (view.running[node] as number) / cores;
    nodes[at + 5] = squeeze((view.backlogMs[node] as number) / cores);
    this.version[node] = view.version[node] as number;
  }

  #encodePairs({ functionIndex, site }: PlacementRequest): void {
    const { view, pairs } = this;
    const fixed = this.#fixedOf(functionIndex, site);
    const { sloMs } = view.fn(functionIndex);
    for (let i = 0; i < this.fitCount; i++) {
      const node = this.fits[i] as number;
      const at = node * PAIR;
      const totalMs = this.#responseMs[node] as number;
      pairs[at] = Math.log1p(view.warmCount(node, functionIndex));
      pairs[at + 1] = squeeze(fixed.networkMs[node] as number);
      pairs[at + 2] = squeeze(view.startupMs(node, functionIndex));
      pairs[at + 3] = squeeze(fixed.dataRunMs[node] as number);
      pairs[at + 4] = Math.min(4, Math.log(totalMs / Math.max(1e-9, this.bestMs)));
      pairs[at + 5] = Math.min(4, totalMs / sloMs);
    }
  }

  #encodeContext(request: PlacementRequest, round: RoundState): void {
    const { view, context, totalCores } = this;
    const { functionIndex, candidates } = request;
    const fn = view.fn(functionIndex);
    let warm = 0;
    for (const node of candidates.nodes) warm += view.warmCount(node, functionIndex);
    const hasRoomSomewhere = this.fitCount > 0;
    context[0] = squeeze(fn.meanDurationMs);
    context[1] = squeeze(fn.sloMs);
    context[2] = squeeze(fn.coldStartMs);
    context[3] = Math.min(10, Math.max(0, view.nowMs - request.arrivalMs) / fn.sloMs) / 5;
    context[4] = hasRoomSomewhere ? Math.min(4, this.bestMs / fn.sloMs) : 4;
    context[5] = hasRoomSomewhere ? squeeze(this.occupancyMs) : squeeze(fn.meanDurationMs);
    context[6] = this.freeCores / totalCores;
    context[7] = Math.log1p(this.freeCores) / 3;
    context[8] = Math.log1p(totalCores) / 5;
    context[9] = this.fitCount / Math.max(1, candidates.nodes.length);
    context[10] = Math.log1p((10 * round.waiting) / totalCores) / 3;
    context[11] = squeeze(this.#backlogMs / totalCores);
    context[12] = Math.log1p(warm) / 3;
    context[13] = 1;
  }

  #setPrior(): void {
    const { mask, prior, fitCount, freeCores, totalCores } = this;
    mask.fill(0);
    for (let i = 0; i < fitCount; i++) {
      const node = this.fits[i] as number;
      mask[node] = 1;
      const ratio = (this.#responseMs[node] as number) / Math.max(1e-9, this.bestMs);
      prior[node] = -PRIOR_SHARPNESS * Math.log(Math.max(1, ratio));
    }
    // An empty cluster makes nobody wait: nothing would ever end there and free the request.
    const mayWait = fitCount === 0 || freeCores < totalCores - 1e-9;
    mask[this.nodeCount] = mayWait ? 1 : 0;
    prior[this.nodeCount] = QUEUE_PRIOR;
  }

  #fixedOf(functionIndex: number, site: number): FixedParts {
    const key = functionIndex * 65_536 + site;
    const known = this.#fixed.get(key);
    if (known !== undefined) return known;
    const { view } = this;
    const count = view.nodeCount;
    const fixed = { networkMs: new Float64Array(count), dataRunMs: new Float64Array(count) };
    for (let node = 0; node < count; node++) {
      const parts = expectedResponse(view, functionIndex, site, node);
      fixed.networkMs[node] = parts.network;
      fixed.dataRunMs[node] = parts.data + parts.run;
    }
    this.#fixed.set(key, fixed);
    return fixed;
  }
}

/** Whether a node has room beside all sent to it and given away in this round. */
export function hasRoom(
  view: ClusterView,
  node: number,
  functionIndex: number,
  { coresTaken, memoryTakenMb }: RoundState,
): boolean {
  if (!view.fits(node, functionIndex)) return false;
  const { cores, memoryMb } = view.fn(functionIndex);
  const spec = view.node(node);
  const usedCores = (view.coresRequested[node] as number) + (coresTaken[node] as number);
  const usedMb = (view.memoryRequestedMb[node] as number) + (memoryTakenMb[node] as number);
  return usedCores + cores <= spec.cores && usedMb + memoryMb <= spec.memoryMb;
}

function squeeze(ms: number): number {
  return Math.log1p(Math.max(0, ms)) / 10;
}
