import { expectedResponse, expectedWaitMs } from "../scheduling/expected-response.ts";
import type { PlacementRequest } from "../scheduling/scheduler.ts";
import type { ClusterView } from "../simulator/cluster-view.ts";
import { CONTEXT_FEATURES, NODE_INPUTS, PAIR_INPUTS } from "./decision-features.ts";
import { InFlight } from "./in-flight.ts";
import { HEURISTIC_INDEX, IndexPrices, type PlacementIndex } from "./placement-index.ts";
import { hasRoom, type RoundState } from "./round-state.ts";

export * from "./decision-features.ts";
export * from "./round-state.ts";

const NODE = NODE_INPUTS.length;
const PAIR = PAIR_INPUTS.length;
/** How much less likely than the best node waiting is before anything is learned, in ln. */
const QUEUE_PRIOR = -4;
/** By how much a cost of one makes a node less likely, in ln; and the least a prior can be. */
const PRIOR_SHARPNESS = 20;
const PRIOR_MIN = -30;

/** Parts of an expected response that never change, by node: network, data and run. */
interface FixedParts {
  networkMs: Float64Array;
  dataRunMs: Float64Array;
}

/**
 * Encodes one decision at a time over any number of nodes: features, the mask of nodes with room,
 * and the prior, by which the node with the least index is the likeliest. Waiting is the likeliest
 * where the index keeps a reserve, and the only choice when no node has room. With the heuristic's
 * index that is what min-cost flow does with one request.
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
  /** Expected cost to itself and others, by node with room. */
  readonly #score: Float64Array;
  #bestScore = Number.POSITIVE_INFINITY;
  #bestNode = -1;
  /** What waiting for a busy container is expected to save, within -1..1; 0 where none is busy. */
  #waitGain = 0;
  readonly #prices: IndexPrices;
  readonly #fixed = new Map<number, FixedParts>();
  #backlogMs = 0;

  constructor(
    readonly view: ClusterView,
    index: PlacementIndex = HEURISTIC_INDEX,
    readonly inFlight = new InFlight(),
  ) {
    const count = view.nodeCount;
    this.nodes = new Float32Array(count * NODE);
    this.version = new Float64Array(count).fill(-1);
    this.pairs = new Float32Array(count * PAIR);
    this.mask = new Uint8Array(count + 1);
    this.prior = new Float32Array(count + 1);
    this.fits = new Int32Array(count);
    this.#responseMs = new Float64Array(count);
    this.#score = new Float64Array(count);
    this.#prices = new IndexPrices(view, index);
    this.totalCores = view.nodes.reduce((sum, { cores }) => sum + cores, 0);
  }

  get nodeCount(): number {
    return this.view.nodeCount;
  }

  /** Features of a request now, its mask and its prior. */
  encode(request: PlacementRequest, round: RoundState): void {
    this.encodePrior(request, round);
    this.#encodeNodes();
    this.#encodePairs(request, round);
    this.#encodeContext(request, round);
  }

  /** Mask and prior alone: all that the index itself decides by. */
  encodePrior(request: PlacementRequest, round: RoundState): void {
    this.#sumUp(round);
    this.rank(request, round);
    this.#scoreNodes(request, round);
    this.#waitGain = this.#scoreWaiting(request, round);
    this.#setPrior(request);
  }

  /** Whether a container of its own function is worth waiting for, by the index. */
  get waitsForContainer(): boolean {
    return this.#waitGain > 0;
  }

  /** Told of each placement: its container will be free again. */
  onPlaced({ functionIndex, site }: PlacementRequest, node: number): void {
    if (this.#prices.caution === 0) return;
    const { view } = this;
    const { networkMs, dataRunMs } = this.#fixedOf(functionIndex, site);
    const arriveMs = view.nowMs + (networkMs[node] as number) / 2;
    const heldMs = view.startupMs(node, functionIndex) + (dataRunMs[node] as number);
    this.inFlight.add(functionIndex, { node, endMs: arriveMs + heldMs });
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

  #sumUp({ coresTaken }: RoundState): void {
    const { view } = this;
    let free = 0;
    let backlog = 0;
    for (let node = 0; node < view.nodeCount; node++) {
      const { cores } = view.node(node);
      backlog += view.backlogMs[node] as number;
      const used = (view.coresRequested[node] as number) + (coresTaken[node] as number);
      if (view.up[node] !== 0 && used < cores) free += cores - used;
    }
    this.freeCores = free;
    this.#backlogMs = backlog;
  }

  #scoreNodes({ functionIndex, site, arrivalMs }: PlacementRequest, round: RoundState): void {
    const { view } = this;
    const { cores, sloMs, imageMb } = view.fn(functionIndex);
    const fixed = this.#fixedOf(functionIndex, site);
    const waitedMs = Math.max(0, view.nowMs - arrivalMs);
    const clusterUse = 1 - this.freeCores / this.totalCores;
    this.#bestScore = Number.POSITIVE_INFINITY;
    for (let i = 0; i < this.fitCount; i++) {
      const node = this.fits[i] as number;
      const free = this.#freeOn(node, round);
      const nodeUse = 1 - free / view.node(node).cores;
      this.#prices.setPrice(node, clusterUse, nodeUse, free < cores + 1);
      const startMs = view.startupMs(node, functionIndex);
      const score = this.#prices.scoreOf(node, {
        responseOverSlo: (waitedMs + (this.#responseMs[node] as number)) / sloMs,
        heldCoreMs: cores * (startMs + (fixed.dataRunMs[node] as number)),
        isCold: startMs > 0,
        // An image of no size is there at once, everywhere.
        hasImage: imageMb === 0 || view.imageAt(node, functionIndex),
      });
      this.#score[node] = score;
      if (score >= this.#bestScore) continue;
      this.#bestScore = score;
      this.#bestNode = node;
    }
  }

  /** Score of the best node less that of the next container of the function to come free. */
  #scoreWaiting(request: PlacementRequest, round: RoundState): number {
    const { view } = this;
    const { functionIndex, site, arrivalMs } = request;
    const { caution } = this.#prices;
    if (caution === 0 || this.fitCount === 0) return 0;
    if (view.startupMs(this.#bestNode, functionIndex) === 0) return 0;
    const claimed = round.claims.get(functionIndex) ?? 0;
    const flight = this.inFlight.next(functionIndex, view.nowMs, claimed);
    if (flight === undefined) return 0;
    const { node, endMs } = flight;
    const { cores, sloMs } = view.fn(functionIndex);
    const { networkMs, dataRunMs } = this.#fixedOf(functionIndex, site);
    const spec = view.node(node);
    const nodeUse = 1 - Math.min(spec.cores, this.#freeOn(node, round) + cores) / spec.cores;
    this.#prices.setPrice(node, 1 - this.freeCores / this.totalCores, nodeUse, false);
    const waitedMs = view.nowMs - arrivalMs + caution * (endMs - view.nowMs);
    const runMs = dataRunMs[node] as number;
    const score = this.#prices.scoreOf(node, {
      responseOverSlo: (waitedMs + (networkMs[node] as number) + runMs) / sloMs,
      heldCoreMs: cores * runMs,
      isCold: false,
      hasImage: true,
    });
    return Math.min(1, Math.max(-1, this.#bestScore - score));
  }

  #freeOn(node: number, { coresTaken }: RoundState): number {
    const { view } = this;
    const used = (view.coresRequested[node] as number) + (coresTaken[node] as number);
    return view.node(node).cores - used;
  }

  #encodeNodes(): void {
    const { view, version } = this;
    for (let node = 0; node < view.nodeCount; node++) {
      if (version[node] !== view.version[node]) this.#encodeNode(node);
    }
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

  #encodePairs({ functionIndex, site }: PlacementRequest, round: RoundState): void {
    const { view, pairs } = this;
    const fixed = this.#fixedOf(functionIndex, site);
    const { sloMs, cores } = view.fn(functionIndex);
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
      pairs[at + 6] = Math.min(4, (this.#score[node] as number) - this.#bestScore);
      pairs[at + 7] = this.#freeOn(node, round) < cores + 1 ? 1 : 0;
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
    context[13] = this.#waitGain;
    context[14] = 1;
  }

  #setPrior({ functionIndex }: PlacementRequest): void {
    const { mask, prior, fitCount, freeCores, totalCores } = this;
    const { cores, meanDurationMs } = this.view.fn(functionIndex);
    mask.fill(0);
    // An empty cluster makes nobody wait: nothing would ever end there and free the request.
    const mayWait = fitCount === 0 || freeCores < totalCores - 1e-9;
    const reserve = this.#prices.reserveCores(meanDurationMs, totalCores);
    const isShort = mayWait && (this.#waitGain > 0 || freeCores - cores < reserve - 1e-9);
    const highest = isShort ? QUEUE_PRIOR : 0;
    for (let i = 0; i < fitCount; i++) {
      const node = this.fits[i] as number;
      mask[node] = 1;
      const more = (this.#score[node] as number) - this.#bestScore;
      prior[node] = highest + Math.max(PRIOR_MIN, -PRIOR_SHARPNESS * more);
    }
    mask[this.nodeCount] = mayWait ? 1 : 0;
    prior[this.nodeCount] = isShort ? 0 : QUEUE_PRIOR;
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

function squeeze(ms: number): number {
  return Math.log1p(Math.max(0, ms)) / 10;
}
