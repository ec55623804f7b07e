import { createPrng } from "@fmlab/sim";
import { describe, expect, it } from "vitest";
import {
  BIN_MS,
  costCurve,
  estimateAdvantages,
  rewardsOverSameInput,
} from "../../src/learn/advantages.ts";
import { costOf } from "../../src/simulator/summary.ts";

function randomRun(seed: number) {
  const prng = createPrng(seed, "run");
  const count = 200;
  const functions = [{ sloMs: 30 }, { sloMs: 700 }, { sloMs: 5000 }];
  const arrivalMs = Float64Array.from({ length: count }, () => prng.nextFloat() * 10_000).sort();
  const functionIndex = Uint32Array.from({ length: count }, () => prng.nextInt(3));
  const responseMs = Float64Array.from(functionIndex, (kind) =>
    prng.chance(0.02) ? Number.NaN : prng.exponential(3 * (functions[kind]?.sloMs ?? 0)),
  );
  return { functions, trace: { arrivalMs, functionIndex }, responseMs };
}

describe("costCurve", () => {
  it("sums to the project's cost, over 20 random runs", () => {
    for (let seed = 0; seed < 20; seed++) {
      const { functions, trace, responseMs } = randomRun(seed);
      const curve = costCurve(trace, responseMs, functions, 4000);
      const total = responseMs.reduce(
        (sum, ms, i) => sum + costOf(ms, functions[trace.functionIndex[i] as number]?.sloMs ?? 0),
        0,
      );
      expect(curve.reduce((a, b) => a + b, 0)).toBeCloseTo(total, 8);
    }
  });

  it("puts cost where it comes about: evenly while it waits, and 1 when it misses", () => {
    const trace = { arrivalMs: Float64Array.of(75), functionIndex: Uint32Array.of(0) };
    const curve = costCurve(trace, Float64Array.of(150), [{ sloMs: 100 }], 6);
    const expected = [0, 0.25, 0.5, 1.5, 0.25, 0];
    curve.forEach((cost, k) => {
      expect(cost).toBeCloseTo(expected[k] as number, 12);
    });
  });
});

describe("rewardsOverSameInput", () => {
  it("gives runs that differ only by what the requests cost no reward at all", () => {
    const curve = Float64Array.of(1, 5, 2);
    for (const rewards of rewardsOverSameInput([curve, curve.slice()])) {
      expect([...rewards]).toEqual([0, 0, 0]);
    }
    const [better, worse] = rewardsOverSameInput([Float64Array.of(1, 0), Float64Array.of(3, 0)]);
    expect([better?.[0], worse?.[0]]).toEqual([1, -1]);
  });
});

describe("estimateAdvantages", () => {
  const prng = createPrng(3, "gae");
  const rewards = Float64Array.from({ length: 100 }, () => prng.normal());
  const atMs = [0, 0, 450, 1000, 1000, 3300];
  const values = atMs.map(() => prng.normal());
  const horizonMs = 2000;

  it("with lambda 1 is the discounted sum of what follows, less the value", () => {
    const { advantages, returns } = estimateAdvantages(atMs, values, rewards, {
      horizonMs,
      lambdaPerSecond: 1,
    });
    atMs.forEach((at, i) => {
      let sum = 0;
      for (let k = at / BIN_MS; k < rewards.length; k++) {
        sum += (rewards[k] as number) * Math.exp(-(k * BIN_MS - at) / horizonMs);
      }
      expect(returns[i]).toBeCloseTo(sum, 4);
      expect(advantages[i]).toBeCloseTo(sum - (values[i] as number), 4);
    });
  });

  it("follows the recursion of generalised advantage estimation step by step", () => {
    const lambdaPerSecond = 0.5;
    const got = estimateAdvantages(atMs, values, rewards, { horizonMs, lambdaPerSecond });
    const naive = (i: number): number => {
      const from = atMs[i] as number;
      const to = atMs[i + 1] ?? rewards.length * BIN_MS;
      let delta = -(values[i] as number);
      for (let ms = from; ms < to; ms += BIN_MS) {
        delta += (rewards[ms / BIN_MS] as number) * Math.exp(-(ms - from) / horizonMs);
      }
      if (i + 1 >= atMs.length) return delta;
      const gamma = Math.exp(-(to - from) / horizonMs);
      delta += gamma * (values[i + 1] as number);
      return delta + gamma * lambdaPerSecond ** ((to - from) / 1000) * naive(i + 1);
    };
    atMs.forEach((_, i) => {
      expect(got.advantages[i]).toBeCloseTo(naive(i), 4);
    });
  });
});
