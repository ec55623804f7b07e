import { createPrng } from "@fmlab/sim";
import { describe, expect, it } from "vitest";
import { argmax, createSampler } from "../../src/sampling/sampler.ts";

const never = () => {
  throw new Error("a greedy choice draws no random number");
};
const logitsOf = (...values: number[]) => Float32Array.from(values);

/** Shares of tokens over many draws. */
function shares(
  logits: Float32Array,
  options: { temperature: number; topK: number; topP: number },
  draws = 20_000,
): number[] {
  const random = createPrng(7);
  const sampler = createSampler(options, () => random.nextFloat());
  const counts = new Array<number>(logits.length).fill(0);
  for (let i = 0; i < draws; i++) {
    const token = sampler(logits);
    counts[token] = (counts[token] ?? 0) + 1;
  }
  return counts.map((n) => n / draws);
}

/** Softmax of chosen logits, by its definition. */
function softmax(values: number[], temperature: number): number[] {
  const powers = values.map((v) => Math.exp(v / temperature));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((p) => p / sum);
}

describe("choosing the next token", () => {
  it("takes the likeliest one at temperature 0, the lowest among equals", () => {
    const greedy = createSampler({ temperature: 0, topK: 0, topP: 1 }, never);
    expect(greedy(logitsOf(1, 3, 3, 2))).toBe(1);
    expect(greedy(logitsOf(Number.NEGATIVE_INFINITY, -5))).toBe(1);
    expect(createSampler({ temperature: 2, topK: 1, topP: 1 }, never)(logitsOf(0, 1))).toBe(1);
  });

  it.each([0.5, 1, 2])("draws in proportion to the softmax at temperature %d", (temperature) => {
    const values = [1, 0, -1, 2.5];
    const drawn = shares(Float32Array.from(values), { temperature, topK: 0, topP: 1 });
    softmax(values, temperature).forEach((p, i) => {
      // Four standard deviations of a share of 20,000 draws are at most 0.0142.
      expect(Math.abs((drawn[i] ?? 0) - p)).toBeLessThan(0.0142);
    });
  });

  it("keeps the k likeliest tokens", () => {
    const drawn = shares(logitsOf(1, 4, 3, 2), { temperature: 1, topK: 2, topP: 1 });
    const [first = 0, second = 0] = softmax([4, 3], 1);
    expect(drawn[0]).toBe(0);
    expect(drawn[3]).toBe(0);
    expect(drawn[1]).toBeCloseTo(first, 1);
    expect(drawn[2]).toBeCloseTo(second, 1);
  });

  it("keeps the fewest tokens that reach the probability topP, at least one", () => {
    const logits = Float32Array.from([0.5, 0.3, 0.15, 0.05], Math.log);
    const kept = (topP: number) =>
      shares(logits, { temperature: 1, topK: 0, topP }, 5000).filter((share) => share > 0).length;
    expect([0.01, 0.49, 0.51, 0.79, 0.81, 0.94, 0.96, 1].map(kept)).toEqual([
      1, 1, 2, 2, 3, 3, 4, 4,
    ]);
  });

  it("keeps the tokens a full sort keeps, whatever topK and topP", () => {
    const random = createPrng(9);
    for (let round = 0; round < 200; round++) {
      // Few different values make ties common.
      const logits = Float32Array.from({ length: 700 }, () => random.nextInt(60) / 10);
      const topK = random.pick([0, 2, 5, 40, 512, 513, 699, 700, 5000]);
      const topP = random.pick([0.1, 0.5, 0.9, 0.999, 1]);
      const kept = plainNucleus(logits, topK, topP);
      const pick = (uniform: number) =>
        createSampler({ temperature: 1, topK, topP }, () => uniform)(logits);
      for (const uniform of [0, 0.3, 0.7, 1 - 2 ** -53]) expect(kept).toContain(pick(uniform));
      if (topP < 1) expect(pick(0)).toBe(kept[0]);
    }
  });

  it("gives the same tokens for the same seed", () => {
    const logits = Float32Array.from({ length: 100 }, (_, i) => Math.sin(i));
    const draw = () => {
      const random = createPrng(3, "sampling");
      const options = { temperature: 1, topK: 50, topP: 0.9 };
      const sampler = createSampler(options, () => random.nextFloat());
      return Array.from({ length: 50 }, () => sampler(logits));
    };
    expect(draw()).toEqual(draw());
  });

  it("refuses logits that are not numbers", () => {
    expect(() => argmax(logitsOf(0, Number.NaN))).toThrow(/logit NaN for token 1/);
    expect(() => argmax(logitsOf(Number.POSITIVE_INFINITY))).toThrow(/expected a finite number/);
    expect(() => argmax(logitsOf())).toThrow(/expected a finite number/);
  });

  it.each([
    [{ temperature: -1, topK: 0, topP: 1 }, "temperature"],
    [{ temperature: 1, topK: 1.5, topP: 1 }, "topK"],
    [{ temperature: 1, topK: 0, topP: 0 }, "topP"],
  ])("refuses the setting in %j", (options, name) => {
    expect(() => createSampler(options, never)).toThrow(new RegExp(`^${name} is`));
  });
});

/** Top-k and top-p by their definition: sort all, cut twice. */
function plainNucleus(logits: Float32Array, topK: number, topP: number): number[] {
  const order = Array.from(logits.keys()).sort(
    (a, b) => (logits[b] ?? 0) - (logits[a] ?? 0) || a - b,
  );
  const first = topK > 0 ? order.slice(0, topK) : order;
  const probabilities = softmax(
    first.map((token) => logits[token] ?? 0),
    1,
  );
  let sum = 0;
  const end = probabilities.findIndex((p) => {
    sum += p;
    // Both sides add rounded numbers in different orders.
    return sum >= topP + 1e-9;
  });
  return end < 0 ? first : first.slice(0, end + 1);
}
