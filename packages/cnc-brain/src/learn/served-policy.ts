import type { PlacementRequest } from "../scheduling/scheduler.ts";
import type { ClusterView } from "../simulator/cluster-view.ts";
import { DecisionFrame, emptyRound, NODE_INPUTS, PAIR_INPUTS } from "./decision-frame.ts";
import type { PolicyGate } from "./gate.ts";
import type { Chooser } from "./learned-scheduler.ts";
import type { PlacementIndex } from "./placement-index.ts";
import { HIDDEN, type PolicyWeights } from "./policy-weights.ts";

const NODE = NODE_INPUTS.length;
const PAIR = PAIR_INPUTS.length;

/**
 * A trained policy as a plain forward pass, without TensorFlow: for the simulator, for adapters,
 * for a browser. The same numbers as `PolicyNetwork` to 1e-5.
 *
 * Only nodes whose features moved since the last decision are encoded again; what depends on the
 * request is computed for the nodes with room.
 */
export class ServedPolicy implements Chooser {
  readonly name = "learned";
  readonly index: PlacementIndex;
  readonly gate: PolicyGate | undefined;
  readonly #w: PolicyWeights;
  #frame: DecisionFrame | undefined;
  #codes = new Float32Array(0);
  #points = new Float32Array(0);
  #attention = new Float32Array(0);
  #encoded = new Float64Array(0);
  #logits = new Float32Array(0);
  readonly #summary = new Float64Array(HIDDEN);
  readonly #context = new Float64Array(HIDDEN);
  readonly #base = new Float64Array(HIDDEN);

  constructor(weights: PolicyWeights) {
    this.#w = weights;
    this.index = weights.index;
    this.gate = weights.gate;
  }

  /**
   * The node for one request, or `QUEUE` (-1): the likeliest choice. For adapters; the simulator
   * goes by way of `learnedScheduler`, which orders whole rounds.
   */
  decide(request: PlacementRequest, view: ClusterView): number {
    if (this.#frame?.view !== view) this.#open(new DecisionFrame(view, this.index));
    const frame = this.#frame as DecisionFrame;
    frame.encode(request, emptyRound(view.nodeCount));
    return this.choose(frame);
  }

  choose(frame: DecisionFrame): number {
    const logits = this.logits(frame);
    let best = frame.nodeCount;
    let highest = Number.NEGATIVE_INFINITY;
    for (let i = 0; i <= frame.fitCount; i++) {
      const action = i < frame.fitCount ? (frame.fits[i] as number) : frame.nodeCount;
      if (frame.mask[action] === 0) continue;
      if ((logits[action] as number) > highest) {
        highest = logits[action] as number;
        best = action;
      }
    }
    return best === frame.nodeCount ? -1 : best;
  }

  /** Prior and correction of each allowed choice, `[nodes + 1]`; others are stale. Reused. */
  logits(frame: DecisionFrame): Float32Array {
    if (this.#frame !== frame) this.#open(frame);
    this.#encodeNodes(frame);
    this.#summarise(frame);
    this.#encodeContext(frame);
    const { pointPairW, pointV } = this.#w;
    const { pairs, prior, fits, fitCount, nodeCount } = frame;
    for (let i = 0; i < fitCount; i++) {
      const node = fits[i] as number;
      let score = 0;
      for (let h = 0; h < HIDDEN; h++) {
        let sum = (this.#base[h] as number) + (this.#points[node * HIDDEN + h] as number);
        for (let p = 0; p < PAIR; p++) {
          sum += (pairs[node * PAIR + p] as number) * (pointPairW[p * HIDDEN + h] as number);
        }
        score += (pointV[h] as number) * Math.tanh(sum);
      }
      this.#logits[node] = (prior[node] as number) + score;
    }
    this.#logits[nodeCount] = (prior[nodeCount] as number) + this.#queueScore();
    return this.#logits;
  }

  /** Forgets all encoded nodes, so that the next decision encodes every one; for measuring. */
  forget(): void {
    this.#encoded.fill(-1);
  }

  #open(frame: DecisionFrame): void {
    const count = frame.nodeCount;
    this.#frame = frame;
    this.#codes = new Float32Array(count * HIDDEN);
    this.#points = new Float32Array(count * HIDDEN);
    this.#attention = new Float32Array(count);
    this.#encoded = new Float64Array(count).fill(-1);
    this.#logits = new Float32Array(count + 1);
  }

  #encodeNodes(frame: DecisionFrame): void {
    const { nodeW, nodeB, attendW, pointNodeW } = this.#w;
    for (let node = 0; node < frame.nodeCount; node++) {
      if (this.#encoded[node] === frame.version[node]) continue;
      const at = node * HIDDEN;
      let attention = 0;
      for (let h = 0; h < HIDDEN; h++) {
        let sum = nodeB[h] as number;
        for (let f = 0; f < NODE; f++) {
          sum += (frame.nodes[node * NODE + f] as number) * (nodeW[f * HIDDEN + h] as number);
        }
        const code = Math.tanh(sum);
        this.#codes[at + h] = code;
        attention += code * (attendW[h] as number);
      }
      this.#attention[node] = attention;
      for (let h = 0; h < HIDDEN; h++) {
        let sum = 0;
        for (let k = 0; k < HIDDEN; k++) {
          sum += (this.#codes[at + k] as number) * (pointNodeW[k * HIDDEN + h] as number);
        }
        this.#points[at + h] = sum;
      }
      this.#encoded[node] = frame.version[node] as number;
    }
  }

  /** Attention over all nodes; codes are within -1..1, so that exp cannot overflow. */
  #summarise(frame: DecisionFrame): void {
    this.#summary.fill(0);
    let total = 0;
    for (let node = 0; node < frame.nodeCount; node++) {
      const weight = Math.exp(this.#attention[node] as number);
      total += weight;
      for (let h = 0; h < HIDDEN; h++) {
        this.#summary[h] =
          (this.#summary[h] as number) + weight * (this.#codes[node * HIDDEN + h] as number);
      }
    }
    for (let h = 0; h < HIDDEN; h++) this.#summary[h] = (this.#summary[h] as number) / total;
  }

  #encodeContext({ context }: DecisionFrame): void {
    const { contextW, contextB, pointContextW, pointB } = this.#w;
    const size = context.length;
    for (let h = 0; h < HIDDEN; h++) {
      let sum = contextB[h] as number;
      for (let f = 0; f < size; f++) {
        sum += (context[f] as number) * (contextW[f * HIDDEN + h] as number);
      }
      for (let k = 0; k < HIDDEN; k++) {
        sum += (this.#summary[k] as number) * (contextW[(size + k) * HIDDEN + h] as number);
      }
      this.#context[h] = Math.tanh(sum);
    }
    for (let h = 0; h < HIDDEN; h++) {
      let sum = pointB[h] as number;
      for (let k = 0; k < HIDDEN; k++) {
        sum += (this.#context[k] as number) * (pointContextW[k * HIDDEN + h] as number);
      }
      this.#base[h] = sum;
    }
  }

  #queueScore(): number {
    const { queueW, queueB, queueV } = this.#w;
    let score = 0;
    for (let h = 0; h < HIDDEN; h++) {
      let sum = queueB[h] as number;
      for (let k = 0; k < HIDDEN; k++) {
        sum += (this.#context[k] as number) * (queueW[k * HIDDEN + h] as number);
      }
      score += (queueV[h] as number) * Math.tanh(sum);
    }
    return score;
  }
}
