import { createPrng } from "@fmlab/sim";
import { describe, expect, it } from "vitest";
import { CONTEXT_FEATURES } from "../../src/learn/decision-frame.ts";
import { ForkableCluster } from "../../src/learn/forkable-cluster.ts";
import {
  type Chooser,
  heuristicChooser,
  indexChooser,
  learnedScheduler,
} from "../../src/learn/learned-scheduler.ts";
import { collectLookahead } from "../../src/learn/lookahead.ts";
import { untrainedWeights } from "../../src/learn/policy-weights.ts";
import { runScenario } from "../../src/learn/scenario.ts";
import { ServedPolicy } from "../../src/learn/served-policy.ts";
import { TimedHeap } from "../../src/learn/timed-heap.ts";
import { costOf, summarise } from "../../src/simulator/summary.ts";
import { randomWeights, smallScenario } from "./decisions.ts";

const WIDTH = CONTEXT_FEATURES.length;
const INDEX = Float32Array.of(0.2, 0, 0.03, 0.5, 1, 0.2, -0.3, 0.5, 0.3, 0.05, 1, 1.2);

function play(cluster: ForkableCluster, chooser: Chooser): ForkableCluster {
  const scheduler = learnedScheduler(chooser);
  cluster.run((requests, view) => scheduler.placeBatch(requests, view));
  return cluster;
}

describe("TimedHeap", () => {
  it("gives events by time, equal times in the order they came, over 50 random queues", () => {
    for (let seed = 0; seed < 50; seed++) {
      const draw = createPrng(seed, "heap");
      const heap = new TimedHeap();
      const expected: { atMs: number; value: number }[] = [];
      for (let value = 0; value < 200; value++) {
        const atMs = draw.nextInt(20);
        heap.push(atMs, value);
        expected.push({ atMs, value });
      }
      const copy = new TimedHeap();
      copy.push(1, 7);
      copy.copyFrom(heap);
      expected.sort((a, b) => a.atMs - b.atMs || a.value - b.value);
      for (const queue of [heap, copy]) {
        const got = expected.map(() => ({ atMs: queue.nextAtMs, value: queue.pop() }));
        expect(got).toEqual(expected);
        expect(queue.nextAtMs).toBe(Number.POSITIVE_INFINITY);
      }
    }
  });
});

describe("ForkableCluster", () => {
  it("gives every response of the simulator to the last bit, whoever places", () => {
    const choosers = [heuristicChooser, indexChooser(INDEX), new ServedPolicy(randomWeights(4))];
    for (const [seed, nodeCount] of [
      [1, 6],
      [2, 17],
    ] as const) {
      const scenario = smallScenario(seed, nodeCount);
      for (const chooser of choosers) {
        const expected = runScenario(scenario, learnedScheduler(chooser));
        const ours = play(new ForkableCluster(scenario), chooser);
        expect(ours.responseMs).toEqual(expected.responseMs);
        expect(ours.countedCost()).toBe(summarise(expected).placementCost);
      }
    }
  });

  it("evicts and lets containers expire as the simulator does", () => {
    const scenario = smallScenario(5, 5);
    const { trace, functions } = scenario.workload;
    const large = functions.map((fn) => ({ ...fn, memoryMb: 1000 }));
    const nodes = scenario.cluster.nodes.map((node) => ({ ...node, memoryMb: 1000 * node.cores }));
    // Hours instead of minutes: most containers are too old when they are wanted again.
    const slow = { ...trace, arrivalMs: trace.arrivalMs.map((ms) => 100 * ms) };
    for (const changed of [
      {
        ...scenario,
        cluster: { ...scenario.cluster, nodes },
        workload: { ...scenario.workload, functions: large },
      },
      { ...scenario, workload: { ...scenario.workload, trace: slow } },
    ]) {
      const { containers, responseMs } = runScenario(changed, learnedScheduler(heuristicChooser));
      expect(containers.evicted + containers.expired).toBeGreaterThan(10);
      expect(play(new ForkableCluster(changed), heuristicChooser).responseMs).toEqual(responseMs);
    }
  });

  it("goes on from a copied state as the original does, and leaves it alone", () => {
    const scenario = smallScenario(5);
    const whole = play(new ForkableCluster(scenario), heuristicChooser);
    const first = new ForkableCluster(scenario);
    const scheduler = learnedScheduler(heuristicChooser);
    first.run((requests, view) => scheduler.placeBatch(requests, view), 120_000);
    const arrived = first.arrived;
    const fork = first.another();
    fork.copyFrom(first);
    play(fork, heuristicChooser);
    expect(first.arrived).toBe(arrived);
    play(first, heuristicChooser);
    expect(first.responseMs).toEqual(whole.responseMs);
    expect(fork.responseMs.slice(arrived)).toEqual(whole.responseMs.slice(arrived));
  });
});

describe("collectLookahead", () => {
  it("finds what another choice costs as two whole simulations do", () => {
    const scenario = smallScenario(2, 8, 0.5);
    const { trace, functions, spanMs } = scenario.workload;
    const weights = { ...untrainedWeights(createPrng(1)), index: INDEX };
    const horizonMs = 100 * spanMs;
    const options = { keep: 8, alternatives: 3, horizonMs, seed: 2 };
    const { samples, costs, tried } = collectLookahead(scenario, weights, options);
    const width = samples.nodeCount + 1;
    const base = indexChooser(INDEX);
    // The same decision is found again by its features.
    const totalCost = (decision: number, action: number) => {
      const context = samples.context.subarray(WIDTH * decision, WIDTH * (decision + 1));
      const pairs = samples.pairs.subarray(
        decision * samples.nodeCount * 8,
        (decision + 1) * samples.nodeCount * 8,
      );
      let found = 0;
      const chooser: Chooser = {
        name: "forced",
        index: INDEX,
        choose(frame, request) {
          const isIt =
            found === 0 &&
            context.every((value, i) => value === frame.context[i]) &&
            pairs.every((value, i) => value === frame.pairs[i]);
          if (!isIt) return base.choose(frame, request);
          found++;
          return action === frame.nodeCount ? -1 : action;
        },
      };
      const { responseMs } = runScenario(scenario, learnedScheduler(chooser));
      expect(found).toBe(1);
      return responseMs.reduce((sum, ms, id) => {
        const fn = functions[trace.functionIndex[id] as number];
        return sum + costOf(ms, fn?.sloMs ?? 1);
      }, 0);
    };
    let compared = 0;
    for (let i = 0; i < samples.count && compared < 3; i++) {
      const own = totalCost(i, samples.action[i] as number);
      for (let action = 0; action < samples.nodeCount; action++) {
        if (tried[i * width + action] === 0 || action === samples.action[i]) continue;
        const expected = totalCost(i, action) - own;
        expect(costs[i * width + action]).toBeCloseTo(expected, 3);
        compared++;
      }
    }
    expect(compared).toBeGreaterThan(1);
  });
});
