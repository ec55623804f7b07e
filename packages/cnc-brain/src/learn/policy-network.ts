import * as tf from "@tensorflow/tfjs-core";
// Registers all gradients, which the core alone does not; it also does so when bundled.
import "@tensorflow/tfjs-layers";
import { CONTEXT_FEATURES, NODE_INPUTS, PAIR_INPUTS } from "./decision-frame.ts";
import {
  HIDDEN,
  type PolicyWeights,
  TENSOR_NAMES,
  TENSOR_SHAPES,
  type TensorName,
} from "./policy-weights.ts";
import type { Samples } from "./rollout.ts";

/** Added to what the mask forbids: its probability is exactly 0 in float32. */
const FORBIDDEN = -1e9;

/** A minibatch on the back end. */
export interface Batch {
  nodes: tf.Tensor3D;
  pairs: tf.Tensor3D;
  context: tf.Tensor2D;
  mask: tf.Tensor2D;
  prior: tf.Tensor2D;
  /** One-hot, `[count, nodes + 1]`. */
  action: tf.Tensor2D;
  logProbability: tf.Tensor1D;
  advantage: tf.Tensor1D;
  returns: tf.Tensor1D;
  value: tf.Tensor1D;
}

/** The policy and its critic on TensorFlow, for training. The same numbers as `ServedPolicy`. */
export class PolicyNetwork {
  readonly variables: Record<TensorName, tf.Variable>;

  constructor(weights: PolicyWeights) {
    const make = (name: TensorName) =>
      tf.variable(tf.tensor(weights[name], [...TENSOR_SHAPES[name]]), true);
    this.variables = Object.fromEntries(TENSOR_NAMES.map((name) => [name, make(name)])) as Record<
      TensorName,
      tf.Variable
    >;
  }

  /** ln of each choice's probability, `[count, nodes + 1]`; forbidden ones are about -1e9. */
  logProbabilities(batch: Batch): tf.Tensor2D {
    return tf.tidy(() => {
      const [count, nodeCount] = batch.nodes.shape;
      const w = this.variables;
      const rows = (x: tf.Tensor3D) => tf.reshape(x, [count * nodeCount, -1]) as tf.Tensor2D;
      const codes = tf.tanh(tf.add(product(rows(batch.nodes), w.nodeW), w.nodeB)) as tf.Tensor2D;
      const attention = tf.reshape(tf.exp(product(codes, w.attendW)), [count, nodeCount, 1]);
      const byNode = tf.reshape(codes, [count, nodeCount, HIDDEN]);
      const summary = tf.div(tf.sum(tf.mul(byNode, attention), 1), tf.sum(attention, 1));
      const context = tf.tanh(
        tf.add(
          product(tf.concat([batch.context, summary as tf.Tensor2D], 1), w.contextW),
          w.contextB,
        ),
      ) as tf.Tensor2D;
      const base = tf.add(product(context, w.pointContextW), w.pointB);
      const parts = tf.add(product(codes, w.pointNodeW), product(rows(batch.pairs), w.pointPairW));
      const hidden = tf.tanh(
        tf.add(tf.reshape(parts, [count, nodeCount, HIDDEN]), tf.reshape(base, [count, 1, HIDDEN])),
      );
      const scores = product(rows(hidden as tf.Tensor3D), w.pointV);
      const waiting = product(
        tf.tanh(tf.add(product(context, w.queueW), w.queueB)) as tf.Tensor2D,
        w.queueV,
      );
      const both = tf.concat([tf.reshape(scores, [count, nodeCount]) as tf.Tensor2D, waiting], 1);
      const logits = tf.add(tf.mul(tf.add(both, batch.prior), batch.mask), forbid(batch.mask));
      // Priors are at most 0 and corrections small, so that exp cannot overflow.
      const total = tf.log(tf.sum(tf.exp(logits), 1, true));
      return tf.sub(logits, total) as tf.Tensor2D;
    });
  }

  /** The critic's value of each decision, `[count]`. */
  values(batch: Batch): tf.Tensor1D {
    return tf.tidy(() => {
      const { valueW, valueB, valueV } = this.variables;
      const hidden = tf.tanh(tf.add(product(batch.context, valueW), valueB)) as tf.Tensor2D;
      return tf.reshape(product(hidden, valueV), [-1]) as tf.Tensor1D;
    });
  }

  /** A copy of all weights. */
  async weights(): Promise<PolicyWeights> {
    const entries = await Promise.all(
      TENSOR_NAMES.map(async (name) => [
        name,
        Float32Array.from(await this.variables[name].data()),
      ]),
    );
    return Object.fromEntries(entries) as PolicyWeights;
  }

  /** Frees the back end's memory. */
  dispose(): void {
    for (const name of TENSOR_NAMES) this.variables[name].dispose();
  }
}

/** Puts the chosen samples on the back end; the caller disposes of it. */
export function toBatch(samples: Samples, chosen: readonly number[]): Batch {
  const { nodeCount } = samples;
  const rows = (from: Float32Array, width: number): Float32Array => {
    const out = new Float32Array(chosen.length * width);
    for (const [i, at] of chosen.entries()) {
      out.set(from.subarray(at * width, (at + 1) * width), i * width);
    }
    return out;
  };
  const count = chosen.length;
  const choices = nodeCount + 1;
  const action = new Float32Array(count * choices);
  chosen.forEach((at, i) => {
    action[i * choices + (samples.action[at] as number)] = 1;
  });
  const [node, pair, context] = [NODE_INPUTS.length, PAIR_INPUTS.length, CONTEXT_FEATURES.length];
  const matrix = (values: Float32Array, width: number) => tf.tensor2d(values, [count, width]);
  return {
    nodes: tf.tensor3d(rows(samples.nodes, nodeCount * node), [count, nodeCount, node]),
    pairs: tf.tensor3d(rows(samples.pairs, nodeCount * pair), [count, nodeCount, pair]),
    context: matrix(rows(samples.context, context), context),
    mask: matrix(rows(samples.mask, choices), choices),
    // Priors of forbidden choices are old; the mask multiplies them away.
    prior: matrix(rows(samples.prior, choices), choices),
    action: matrix(action, choices),
    logProbability: tf.tensor1d(rows(samples.logProbability, 1)),
    advantage: tf.tensor1d(rows(samples.advantage, 1)),
    returns: tf.tensor1d(rows(samples.returns, 1)),
    value: tf.tensor1d(rows(samples.value, 1)),
  };
}

function product(left: tf.Tensor2D, right: tf.Variable): tf.Tensor2D {
  return tf.matMul(left, right as unknown as tf.Tensor2D);
}

function forbid(mask: tf.Tensor2D): tf.Tensor2D {
  return tf.mul(tf.sub(1, mask), FORBIDDEN) as tf.Tensor2D;
}
