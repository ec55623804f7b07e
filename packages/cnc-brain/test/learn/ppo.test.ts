import { createPrng } from "@fmlab/sim";
import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import { chooseBackEnd } from "../../src/learn/backend.ts";
import { collectLookahead } from "../../src/learn/lookahead.ts";
import { type Batch, PolicyNetwork, toBatch } from "../../src/learn/policy-network.ts";
import { type TensorName, untrainedWeights } from "../../src/learn/policy-weights.ts";
import { expectedRegret, PolicyTrainer, PPO_DEFAULTS, ppoLoss } from "../../src/learn/ppo.ts";
import { collectRollouts, type Samples } from "../../src/learn/rollout.ts";
import { randomWeights, smallScenario } from "./decisions.ts";

beforeAll(async () => {
  await chooseBackEnd({ order: ["cpu"] });
});

const OPTIONS = { rollouts: 2, keep: 20, horizonMs: 5000, lambdaPerSecond: 0.8, seed: 1 };

function sampled(): Samples {
  return collectRollouts(smallScenario(1), randomWeights(1), OPTIONS).samples;
}

const indices = (samples: Samples) => [...new Array(samples.count).keys()];

describe("ppoLoss", () => {
  it("is the published formula, choice by choice", async () => {
    const samples = sampled();
    const network = new PolicyNetwork(randomWeights(2));
    const batch = toBatch(samples, indices(samples));
    const all = (await network.logProbabilities(batch).array()) as number[][];
    const values = await network.values(batch).data();
    let [gain, entropy, error] = [0, 0, 0];
    const [clip, n] = [0.2, samples.count];
    all.forEach((row, i) => {
      const ratio = Math.exp(
        (row[samples.action[i] as number] as number) - (samples.logProbability[i] as number),
      );
      const advantage = samples.advantage[i] as number;
      const clipped = Math.min(1 + clip, Math.max(1 - clip, ratio));
      gain += Math.min(ratio * advantage, clipped * advantage) / n;
      for (const [a, ln] of row.entries()) {
        if (samples.mask[i * row.length + a] === 1) entropy -= (Math.exp(ln) * ln) / n;
      }
      const old = samples.value[i] as number;
      const now = values[i] as number;
      const near = old + Math.min(clip, Math.max(-clip, now - old));
      const target = samples.returns[i] as number;
      error += Math.max((now - target) ** 2, (near - target) ** 2) / n / 2;
    });
    const settings = { clip, entropy: 0.01, valueWeight: 0.5 };
    const { loss } = ppoLoss(network, batch, settings);
    expect((await loss.data())[0]).toBeCloseTo(-gain - 0.01 * entropy + 0.5 * error, 4);
  });

  it("has the gradient that differences of the loss show", async () => {
    const samples = sampled();
    const network = new PolicyNetwork(randomWeights(1));
    const batch = toBatch(samples, indices(samples));
    const settings = { clip: 10, entropy: 0.05, valueWeight: 0.5 };
    const lossOf = () => ppoLoss(network, batch, settings).loss;
    const { grads } = tf.variableGrads(lossOf);
    const names: TensorName[] = ["nodeW", "attendW", "contextB", "pointPairW", "queueV", "valueW"];
    for (const name of names) {
      const variable = network.variables[name];
      const exact = (await (grads[variable.name] as tf.Tensor).data())[1] ?? 0;
      const start = Float32Array.from(await variable.data());
      const at = async (shift: number) => {
        const moved = start.slice();
        moved[1] = (moved[1] as number) + shift;
        variable.assign(tf.tensor(moved, variable.shape));
        return (await lossOf().data())[0] as number;
      };
      const slope = ((await at(0.01)) - (await at(-0.01))) / 0.02;
      await at(0);
      expect(Math.abs(slope - exact), name).toBeLessThan(2e-3 + 0.02 * Math.abs(exact));
    }
  });
});

describe("PolicyTrainer", () => {
  const chosenMean = async (network: PolicyNetwork, batch: Batch, better: boolean[]) => {
    const all = tf.sum(tf.mul(network.logProbabilities(batch), batch.action), 1);
    const values = await all.data();
    const picked = [...values].filter((_, i) => better[i]);
    return picked.reduce((a, b) => a + b, 0) / picked.length;
  };

  it("makes better choices likelier and worse ones rarer, and never a forbidden one", async () => {
    const samples = sampled();
    const network = new PolicyNetwork(randomWeights(1));
    const batch = toBatch(samples, indices(samples));
    const mean = samples.advantage.reduce((a, b) => a + b, 0) / samples.count;
    const better = [...samples.advantage].map((advantage) => advantage > mean);
    const worse = better.map((is) => !is);
    const before = [
      await chosenMean(network, batch, better),
      await chosenMean(network, batch, worse),
    ] as const;
    const trainer = new PolicyTrainer(network, {
      ...PPO_DEFAULTS,
      learningRate: 1e-2,
      epochs: 10,
      divergenceMax: 9,
    });
    const report = await trainer.improve([samples], createPrng(1));
    const gained = (await chosenMean(network, batch, better)) - before[0];
    expect(gained).toBeGreaterThan((await chosenMean(network, batch, worse)) - before[1] + 0.01);
    expect(report.steps).toBe(10);
    const all = tf.exp(network.logProbabilities(batch));
    expect((await tf.max(tf.mul(all, tf.sub(1, batch.mask))).data())[0]).toBe(0);
  });

  it("learns from costs to go what costs less, the same way from the same seed", async () => {
    const options = { keep: 120, alternatives: 4, horizonMs: 5000, seed: 1 };
    const ahead = collectLookahead(smallScenario(2), untrainedWeights(createPrng(1)), options);
    expect(ahead.samples.count).toBeGreaterThan(40);
    const learn = async () => {
      const network = new PolicyNetwork(untrainedWeights(createPrng(1)));
      const trainer = new PolicyTrainer(network, PPO_DEFAULTS);
      const regrets: number[] = [];
      for (let k = 0; k < 25; k++) regrets.push(await trainer.learnAhead([ahead], createPrng(k)));
      trainer.dispose();
      return regrets;
    };
    const regrets = await learn();
    expect(regrets.at(-1)).toBeLessThan((regrets[0] as number) - 0.005);
    expect(await learn()).toEqual(regrets);
  });
});

describe("expectedRegret", () => {
  it("is the mean over decisions of what was tried, by its chances", async () => {
    const samples = sampled();
    const width = samples.nodeCount + 1;
    const draw = createPrng(9);
    const tried = Float32Array.from(samples.mask, (may) => (may === 1 && draw.chance(0.7) ? 1 : 0));
    const costs = tried.map((is) => (is === 1 ? draw.normal() : 0));
    const network = new PolicyNetwork(randomWeights(2));
    const batch = toBatch(samples, indices(samples));
    const all = (await network.logProbabilities(batch).array()) as number[][];
    const shape: [number, number] = [samples.count, width];
    const trials = { costs: tf.tensor2d(costs, shape), tried: tf.tensor2d(tried, shape) };
    const got = (await expectedRegret(network, batch, trials).data())[0] as number;
    const expected = all.map((row, i) => {
      const chances = row.map((ln, a) => Math.exp(ln) * (tried[i * width + a] as number));
      const total = chances.reduce((a, b) => a + b, 0);
      if (total < 1e-6) return 0;
      const bounded = (a: number) => Math.min(2, Math.max(-2, costs[i * width + a] as number));
      return chances.reduce((sum, chance, a) => sum + (chance / total) * bounded(a), 0);
    });
    expect(got).toBeCloseTo(expected.reduce((a, b) => a + b, 0) / samples.count, 4);
  });
});
