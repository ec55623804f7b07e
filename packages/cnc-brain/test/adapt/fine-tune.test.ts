import { createPrng } from "@fmlab/sim";
import { beforeAll, describe, expect, it } from "vitest";
import { AdaptiveScheduler, type EpochRecord } from "../../src/adapt/adaptive-scheduler.ts";
import { type TwinWindow, twinCost } from "../../src/adapt/digital-twin.ts";
import { FineTuneLearner } from "../../src/adapt/fine-tune-learner.ts";
import { learnedPlacer } from "../../src/adapt/trained-candidate.ts";
import { fixedKeepAlive } from "../../src/keep-alive/fixed.ts";
import { chooseBackEnd } from "../../src/learn/backend.ts";
import { type PolicyWeights, untrainedWeights } from "../../src/learn/policy-weights.ts";
import { PPO_DEFAULTS } from "../../src/learn/ppo.ts";
import { networkOfRtt } from "../../src/network/network.ts";
import { leastConnections } from "../../src/scheduling/least-connections.ts";
import { simulatePausing } from "../../src/simulator/simulate.ts";
import { PLAIN_FUNCTION, PLAIN_NODE } from "../../src/simulator/specs.ts";
import { traceOfRows } from "../../src/traces/invocation-trace.ts";

const network = networkOfRtt({
  siteNames: ["a", "b"],
  rttMs: [
    [0, 40],
    [40, 0],
  ],
});
const nodes = [0, 1, 2].map((i) => ({
  ...PLAIN_NODE,
  name: `n${i}`,
  site: i % 2,
  cores: 2,
  memoryMb: 1e5,
}));
/** Short ones with a tight target beside long ones that can wait. */
const functions = [
  { ...PLAIN_FUNCTION, name: "short", meanDurationMs: 40, sloMs: 120 },
  { ...PLAIN_FUNCTION, name: "long", meanDurationMs: 1500, sloMs: 8000 },
];

function requests(count: number, seed: number) {
  const prng = createPrng(seed, "requests");
  let arrivalMs = 0;
  return Array.from({ length: count }, () => {
    arrivalMs += prng.exponential(80);
    const functionIndex = prng.chance(0.12) ? 1 : 0;
    return { arrivalMs, functionIndex, site: prng.nextInt(2) };
  });
}

const window = (seed: number, up = Uint8Array.of(1, 1, 1)): TwinWindow => ({
  nodes,
  functions,
  network,
  up,
  requests: requests(240, seed),
  countedFrom: 40,
  seed,
  allows: () => true,
});
/** A policy that has gone wrong: what it thinks of nodes is noise. */
function spoilt(): PolicyWeights {
  const weights = untrainedWeights(createPrng(1));
  const prng = createPrng(8);
  return { ...weights, pointV: weights.pointV.map(() => prng.normal(0, 15)) };
}
const ppo = { ...PPO_DEFAULTS, learningRate: 3e-3, divergenceMax: 0.1, minibatch: 64 };
const LESSON = { rounds: 3, rollouts: 3, keep: 80, ppo };

describe("fine-tuning", () => {
  beforeAll(async () => {
    await chooseBackEnd({ note: () => {} });
  });

  it("makes a policy that has gone wrong cost less, also on requests it was not taught with", async () => {
    const learner = new FineTuneLearner(spoilt(), createPrng(3), LESSON);
    const cost = (of: PolicyWeights) =>
      [97, 98, 99].reduce((sum, seed) => sum + twinCost(window(seed), learnedPlacer(of, "p")), 0);
    const before = cost(spoilt());
    for (let lesson = 0; lesson < 3; lesson++) await learner.learn(window(lesson));
    expect(learner.rejected).toBeLessThan(3);
    expect(cost(learner.weights)).toBeLessThan(0.9 * before);
  });

  it("keeps the weights it had where new ones cost more in the twin", async () => {
    const learner = new FineTuneLearner(untrainedWeights(createPrng(1)), createPrng(3), {
      ...LESSON,
      ppo: { ...ppo, learningRate: 5 },
    });
    const before = learner.weights;
    await learner.learn(window(1, Uint8Array.of(1, 0, 1)));
    expect(learner.rejected).toBe(1);
    expect(learner.weights).toBe(before);
    expect(learner.version().name).toBe("learned");
  });

  it("goes on beside the gateway, and acts only behind the gate", async () => {
    const epochs: EpochRecord[] = [];
    const adaptive = new AdaptiveScheduler(
      {
        epochMs: 4000,
        binMs: 1000,
        binRequests: 1,
        twinRequestsMax: 100,
        twinWarmRequests: 40,
        blockRequests: 20,
        twinDraws: 1,
        gate: { alpha: 0.05, minComparisons: 5, maxComparisons: 6, lossBudget: 200 },
      },
      {
        createFallback: leastConnections,
        learner: new FineTuneLearner(spoilt(), createPrng(3), { ...LESSON, rounds: 1 }),
        detectors: { cost: [], traffic: [] },
        rules: { allows: () => true },
        onEpoch: (epoch) => epochs.push(epoch),
      },
    );
    const prng = createPrng(5);
    const trace = traceOfRows(
      requests(400, 7).map((one) => ({
        ...one,
        durationMs: prng.exponential(functions[one.functionIndex]?.meanDurationMs ?? 1),
      })),
    );
    const keepAlive = fixedKeepAlive();
    let lessons = 0;
    const result = await simulatePausing(
      { nodes, functions, network, trace, keepAlive, scheduler: adaptive },
      () => {
        if (adaptive.lesson !== undefined) lessons++;
        return adaptive.lesson;
      },
    );
    expect(lessons).toBeGreaterThan(0);
    expect(adaptive.failedLessons).toBe(0);
    expect(result.responseMs.every((ms) => ms > 0)).toBe(true);
    for (const { acting, verdict } of epochs) {
      const isCandidate = acting !== "least-connections";
      expect(isCandidate).toBe(verdict === "opened" || (verdict === "acting" && isCandidate));
    }
  });
});
