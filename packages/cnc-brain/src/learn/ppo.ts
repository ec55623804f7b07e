import type { Prng } from "@fmlab/sim";
import * as tf from "@tensorflow/tfjs-core";
import type { LookaheadSamples } from "./lookahead.ts";
import { type Batch, type PolicyNetwork, toBatch } from "./policy-network.ts";
import { TENSOR_NAMES } from "./policy-weights.ts";
import type { Samples } from "./rollout.ts";

/** Settings of proximal policy optimisation. */
export interface PpoOptions {
  learningRate: number;
  /** Of learning from costs to go, which comes first and knows every choice's cost. */
  imitationRate: number;
  clip: number;
  entropy: number;
  valueWeight: number;
  gradientNormMax: number;
  epochs: number;
  minibatch: number;
  /** Beyond this mean divergence from the policy that acted, the update ends. */
  divergenceMax: number;
}

/** What `cnc-brain.train` starts from. */
export const PPO_DEFAULTS: PpoOptions = {
  learningRate: 1e-3,
  imitationRate: 5e-3,
  clip: 0.2,
  entropy: 0.003,
  valueWeight: 0.5,
  gradientNormMax: 0.5,
  epochs: 3,
  minibatch: 512,
  divergenceMax: 0.03,
};

/** What an update did, means over its minibatches. */
export interface UpdateReport {
  policyLoss: number;
  valueLoss: number;
  entropy: number;
  /** (r - 1) - ln r, mean: the divergence from the policy that acted. */
  divergence: number;
  /** Share of ratios outside the clip range. */
  clipShare: number;
  steps: number;
}

/**
 * The PPO loss of a minibatch: clipped ratios over the allowed choices only, entropy of the same,
 * clipped value error.
 *
 * @param advantage normalised
 * @see Schulman et al. 2017, arXiv:1707.06347; Huang & Ontanon 2020, arXiv:2006.14171 for masks
 */
export function ppoLoss(
  network: PolicyNetwork,
  batch: Batch,
  { clip, entropy, valueWeight }: Pick<PpoOptions, "clip" | "entropy" | "valueWeight">,
): { loss: tf.Scalar; parts: tf.Tensor1D } {
  const all = network.logProbabilities(batch);
  const chosen = tf.sum(tf.mul(all, batch.action), 1);
  const difference = tf.sub(chosen, batch.logProbability);
  const ratio = tf.exp(difference);
  const clipped = tf.clipByValue(ratio, 1 - clip, 1 + clip);
  const gain = tf.minimum(tf.mul(ratio, batch.advantage), tf.mul(clipped, batch.advantage));
  const policyLoss = tf.neg(tf.mean(gain));
  // Forbidden choices have probability 0; the mask keeps 0 x -1e9 from mattering.
  const spread = tf.neg(tf.mean(tf.sum(tf.mul(tf.mul(tf.exp(all), all), batch.mask), 1)));
  const value = network.values(batch);
  const near = tf.add(batch.value, tf.clipByValue(tf.sub(value, batch.value), -clip, clip));
  const errors = tf.maximum(
    tf.square(tf.sub(value, batch.returns)),
    tf.square(tf.sub(near, batch.returns)),
  );
  const valueLoss = tf.mul(0.5, tf.mean(errors));
  const loss = tf.add(
    tf.sub(policyLoss, tf.mul(entropy, spread)),
    tf.mul(valueWeight, valueLoss),
  ) as tf.Scalar;
  const divergence = tf.mean(tf.sub(tf.sub(ratio, 1), difference));
  const outside = tf.mean(tf.cast(tf.greater(tf.abs(tf.sub(ratio, 1)), clip), "float32"));
  const parts = tf.stack([policyLoss, valueLoss, spread, divergence, outside]) as tf.Tensor1D;
  return { loss, parts };
}

/** What was tried in a minibatch's decisions, `[count, nodes + 1]` each. */
interface Trials {
  costs: tf.Tensor2D;
  tried: tf.Tensor2D;
}

/** Differences beyond this say that a run was unlucky, not that a choice was bad. */
const REGRET_MAX = 2;

/**
 * What the policy's choices cost more than the ones that were made, on average over the choices
 * that were tried. Its slope is that of the policy's value with every choice's cost known, where
 * PPO knows that of one choice.
 */
export function expectedRegret(network: PolicyNetwork, batch: Batch, trials: Trials): tf.Scalar {
  const { costs, tried } = trials;
  const chances = tf.mul(tf.exp(network.logProbabilities(batch)), tried);
  const total = tf.add(tf.sum(chances, 1), 1e-9);
  const bounded = tf.clipByValue(costs, -REGRET_MAX, REGRET_MAX);
  return tf.mean(tf.div(tf.sum(tf.mul(chances, bounded), 1), total)) as tf.Scalar;
}

function toTrials({ samples, costs, tried }: LookaheadSamples, chosen: readonly number[]): Trials {
  const width = samples.nodeCount + 1;
  const rows = (from: Float32Array) => {
    const out = new Float32Array(chosen.length * width);
    for (const [i, at] of chosen.entries()) {
      out.set(from.subarray(at * width, (at + 1) * width), i * width);
    }
    return tf.tensor2d(out, [chosen.length, width]);
  };
  return { costs: rows(costs), tried: rows(tried) };
}

/** Adam with clipped gradients over both kinds of learning. */
export class PolicyTrainer {
  readonly #adam: tf.Optimizer;
  readonly #imitator: tf.Optimizer;

  constructor(
    readonly network: PolicyNetwork,
    readonly options: PpoOptions,
  ) {
    this.#adam = tf.train.adam(options.learningRate, 0.9, 0.999, 1e-5);
    this.#imitator = tf.train.adam(options.imitationRate, 0.9, 0.999, 1e-5);
  }

  /** Several epochs of PPO over groups of rollouts; each minibatch is of one group. */
  async improve(groups: readonly Samples[], prng: Prng): Promise<UpdateReport> {
    const { epochs, minibatch, divergenceMax } = this.options;
    const sums = [0, 0, 0, 0, 0];
    let steps = 0;
    for (let epoch = 0; epoch < epochs; epoch++) {
      let divergence = 0;
      const parts = minibatchesOf(groups, minibatch, prng.fork(epoch));
      for (const { samples, chosen } of parts) {
        const batch = toBatch(normalised(samples, chosen), [...chosen.keys()]);
        const values = await this.#step(this.#adam, batch, () =>
          ppoLoss(this.network, batch, this.options),
        );
        values.forEach((value, i) => {
          sums[i] = (sums[i] as number) + value;
        });
        divergence += (values[3] as number) / parts.length;
        steps++;
      }
      if (divergence > divergenceMax) break;
    }
    const [policyLoss, valueLoss, entropy, divergence, clipShare] = sums.map((sum) => sum / steps);
    return { policyLoss, valueLoss, entropy, divergence, clipShare, steps } as UpdateReport;
  }

  /** One epoch of learning from costs to go; the mean expected regret, before it. */
  async learnAhead(groups: readonly LookaheadSamples[], prng: Prng): Promise<number> {
    let sum = 0;
    const parts = minibatchesOf(
      groups.map(({ samples }) => samples),
      this.options.minibatch,
      prng,
    );
    for (const { samples, chosen } of parts) {
      const group = groups.find((one) => one.samples === samples) as LookaheadSamples;
      const batch = toBatch(samples, chosen);
      const extra = toTrials(group, chosen);
      const [loss = 0] = await this.#step(this.#imitator, batch, () => {
        const loss = expectedRegret(this.network, batch, extra);
        return { loss, parts: tf.reshape(loss, [1]) as tf.Tensor1D };
      });
      tf.dispose([extra.costs, extra.tried]);
      sum += loss;
    }
    return sum / Math.max(1, parts.length);
  }

  dispose(): void {
    this.#adam.dispose();
    this.#imitator.dispose();
    this.network.dispose();
  }

  async #step(
    optimizer: tf.Optimizer,
    batch: Batch,
    lossOf: () => { loss: tf.Scalar; parts: tf.Tensor1D },
  ): Promise<Float32Array> {
    let kept: tf.Tensor1D | undefined;
    const variables = TENSOR_NAMES.map((name) => this.network.variables[name]);
    const { value, grads } = tf.variableGrads(() => {
      const { loss, parts } = lossOf();
      kept = tf.keep(parts);
      return loss;
    }, variables);
    const values = (await kept?.data()) as Float32Array;
    tf.tidy(() => {
      const norm = tf.sqrt(
        tf.addN(Object.values(grads).map((gradient) => tf.sum(tf.square(gradient)))),
      );
      const scale = tf.minimum(1, tf.div(this.options.gradientNormMax, tf.add(norm, 1e-6)));
      const clipped = Object.entries(grads).map(([name, gradient]) => [
        name,
        tf.mul(gradient, scale),
      ]);
      optimizer.applyGradients(Object.fromEntries(clipped));
    });
    const parts = [value, ...(kept ? [kept] : []), ...Object.values(grads)];
    tf.dispose([...parts, ...Object.values(batch)]);
    return Float32Array.from(values);
  }
}

/** Samples of a minibatch, their advantages to mean 0 and deviation 1. */
function normalised(samples: Samples, chosen: readonly number[]): Samples {
  const values = chosen.map((at) => samples.advantage[at] as number);
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
  const deviation = Math.sqrt(variance) + 1e-8;
  const width = (from: Float32Array) => from.length / samples.count;
  const pick = (from: Float32Array): Float32Array => {
    const size = width(from);
    const out = new Float32Array(chosen.length * size);
    for (const [i, at] of chosen.entries()) {
      out.set(from.subarray(at * size, (at + 1) * size), i * size);
    }
    return out;
  };
  return {
    count: chosen.length,
    nodeCount: samples.nodeCount,
    nodes: pick(samples.nodes),
    pairs: pick(samples.pairs),
    context: pick(samples.context),
    mask: pick(samples.mask),
    prior: pick(samples.prior),
    action: Int32Array.from(chosen, (at) => samples.action[at] as number),
    logProbability: pick(samples.logProbability),
    advantage: Float32Array.from(values, (value) => (value - mean) / deviation),
    returns: pick(samples.returns),
    value: pick(samples.value),
  };
}

function minibatchesOf(groups: readonly Samples[], size: number, prng: Prng) {
  const parts = groups.flatMap((samples) => {
    const order = prng.shuffle([...new Array(samples.count).keys()]);
    const cut: { samples: Samples; chosen: number[] }[] = [];
    for (let from = 0; from < order.length; from += size) {
      cut.push({ samples, chosen: order.slice(from, from + size) });
    }
    return cut;
  });
  return prng.shuffle(parts);
}
