import { createPrng } from "@fmlab/sim";
import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import { chooseBackEnd } from "../../src/learn/backend.ts";
import { CONTEXT_FEATURES } from "../../src/learn/decision-frame.ts";
import {
  type Chooser,
  heuristicChooser,
  learnedScheduler,
} from "../../src/learn/learned-scheduler.ts";
import { PolicyNetwork, toBatch } from "../../src/learn/policy-network.ts";
import {
  parseWeights,
  serialiseWeights,
  untrainedWeights,
} from "../../src/learn/policy-weights.ts";
import { collectRollouts, criticValue } from "../../src/learn/rollout.ts";
import { runScenario } from "../../src/learn/scenario.ts";
import { ServedPolicy } from "../../src/learn/served-policy.ts";
import { minCostFlow } from "../../src/scheduling/min-cost-flow.ts";
import { QUEUE } from "../../src/scheduling/scheduler.ts";
import { randomWeights, smallScenario, watchDecisions } from "./decisions.ts";

beforeAll(async () => {
  await chooseBackEnd({ order: ["cpu"] });
});

const WIDTH = CONTEXT_FEATURES.length;
const ROLLOUTS = { rollouts: 2, keep: 60, horizonMs: 5000, lambdaPerSecond: 0.8, seed: 1 };

describe("the served policy", () => {
  it("gives TensorFlow's probabilities and values to 1e-5, for 4 and for 17 nodes", async () => {
    for (const nodeCount of [4, 17]) {
      const weights = randomWeights(nodeCount);
      const { samples } = collectRollouts(smallScenario(1, nodeCount), weights, ROLLOUTS);
      const network = new PolicyNetwork(weights);
      const batch = toBatch(samples, [...new Array(samples.count).keys()]);
      const all = network.logProbabilities(batch);
      const chosen = await tf.sum(tf.mul(all, batch.action), 1).data();
      const values = await network.values(batch).data();
      expect(samples.count).toBeGreaterThan(20);
      let spread = 0;
      for (let i = 0; i < samples.count; i++) {
        // Made by the plain pass, node by node as they changed.
        const plain = samples.logProbability[i] as number;
        expect(Math.abs(plain - (chosen[i] as number))).toBeLessThan(1e-5 * (1 + Math.abs(plain)));
        const context = samples.context.subarray(WIDTH * i, WIDTH * (i + 1));
        expect(values[i]).toBeCloseTo(criticValue(weights, context), 5);
        spread = Math.max(spread, Math.abs(plain));
      }
      expect(spread).toBeGreaterThan(0.1);
    }
  });

  it("comes to the same logits whether it encodes changed nodes or all of them", () => {
    const policy = new ServedPolicy(randomWeights(3));
    let count = 0;
    watchDecisions(smallScenario(2, 8), (frame) => {
      const incremental = policy.logits(frame).slice();
      policy.forget();
      const whole = policy.logits(frame);
      for (let i = 0; i < frame.fitCount; i++) {
        const node = frame.fits[i] as number;
        expect(whole[node]).toBe(incremental[node]);
      }
      expect(whole[frame.nodeCount]).toBe(incremental[frame.nodeCount]);
      count++;
    });
    expect(count).toBeGreaterThan(100);
  });

  it("is the heuristic until it has learned something", () => {
    const scenario = smallScenario(3);
    const untrained = new ServedPolicy(untrainedWeights(createPrng(5)));
    const ours = runScenario(scenario, learnedScheduler(untrained));
    const theirs = runScenario(scenario, learnedScheduler(heuristicChooser));
    expect(ours.node).toEqual(theirs.node);
    expect(ours.responseMs).toEqual(theirs.responseMs);
    const other = new ServedPolicy(randomWeights(1));
    expect(runScenario(scenario, learnedScheduler(other)).node).not.toEqual(theirs.node);
  });

  it("chooses for one request, untrained, the node that min-cost flow chooses", () => {
    const flow = minCostFlow();
    const policy = new ServedPolicy(untrainedWeights(createPrng(1)));
    let count = 0;
    const choose: Chooser["choose"] = (frame, request) => {
      // Only where nothing has been given away in this round: flow sees the view alone.
      const alone = policy.decide(request, frame.view);
      expect(alone).toBe(flow.place(request, frame.view));
      count++;
      return alone !== QUEUE && frame.mask[alone] === 1 ? alone : QUEUE;
    };
    runScenario(smallScenario(4), learnedScheduler({ name: "alone", choose }));
    expect(count).toBeGreaterThan(100);
  });

  it("answers every request whatever its weights, on allowed nodes with room", () => {
    for (const seed of [1, 2, 3]) {
      const policy = new ServedPolicy(randomWeights(seed));
      const choose: Chooser["choose"] = (frame) => {
        const node = policy.choose(frame);
        expect(frame.mask[node === QUEUE ? frame.nodeCount : node]).toBe(1);
        return node;
      };
      const result = runScenario(smallScenario(seed), learnedScheduler({ name: "any", choose }));
      expect(result.responseMs.every(Number.isFinite)).toBe(true);
    }
  });
});

describe("a policy's file", () => {
  it("is read back to the last bit", () => {
    const weights = randomWeights(7);
    expect(parseWeights(serialiseWeights(weights), "p.json")).toEqual(weights);
  });

  it("is refused by name when it is no policy, or not whole", () => {
    expect(() => parseWeights("{", "p.json")).toThrow(/p\.json: no JSON/);
    expect(() => parseWeights("{}", "p.json")).toThrow(/not a policy/);
    const short = serialiseWeights(randomWeights(1)).replace(/"nodeB":\[[^\]]*\]/, '"nodeB":[1]');
    expect(() => parseWeights(short, "p.json")).toThrow(/nodeB must be 16 finite numbers/);
  });
});
