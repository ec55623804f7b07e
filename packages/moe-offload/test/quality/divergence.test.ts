import { createPrng, type Prng } from "@fmlab/sim";
import { describe, expect, it } from "vitest";
import { Comparison } from "../../src/quality/comparison.ts";
import { klDivergence } from "../../src/quality/divergence.ts";
import { negativeLogLikelihood, rowStatistics } from "../../src/quality/log-softmax.ts";

const rowOf = (logits: Float32Array) => ({ logits, first: 0, count: logits.length });

function kl(full: Float32Array, other: Float32Array): number {
  const [p, q] = [rowOf(full), rowOf(other)];
  return klDivergence(p, rowStatistics(p), q, rowStatistics(q));
}

/** By the definition, with the probabilities themselves. */
function naiveKl(full: Float32Array, other: Float32Array): number {
  const softmax = (logits: Float32Array) => {
    const exps = Array.from(logits, (logit) => Math.exp(logit));
    const sum = exps.reduce((all, one) => all + one, 0);
    return exps.map((one) => one / sum);
  };
  const [p, q] = [softmax(full), softmax(other)];
  return p.reduce((sum, one, i) => sum + one * Math.log(one / (q[i] ?? 0)), 0);
}

const logitsOf = (random: Prng, count: number, spread: number) =>
  Float32Array.from({ length: count }, () => random.normal(0, spread));

describe("the divergence of two rows of logits", () => {
  it("is the sum of p ln(p / q), for rows of many lengths and spreads", () => {
    const random = createPrng(7, "rows");
    for (let round = 0; round < 200; round++) {
      const count = 2 + random.nextInt(60);
      const full = logitsOf(random, count, 4 * random.nextFloat());
      const other = logitsOf(random, count, 4 * random.nextFloat());
      const expected = naiveKl(full, other);
      expect(Math.abs(kl(full, other) - expected)).toBeLessThan(1e-9 * (1 + expected));
    }
  });

  it("is exactly 0 for equal rows, and the same when a constant is added to one", () => {
    const random = createPrng(8, "rows");
    for (const spread of [0, 1, 50]) {
      const full = logitsOf(random, 500, spread);
      expect(kl(full, full.slice())).toBe(0);
      const shifted = full.map((logit) => Math.fround(logit) + 0.5);
      expect(kl(full, shifted)).toBeLessThan(1e-10);
    }
  });

  it("is never negative and right to a millionth for rows that hardly differ", () => {
    const random = createPrng(9, "rows");
    for (const step of [1e-5, 1e-4, 1e-3]) {
      // A double keeps sums of these small numbers exact enough for the second-order formula.
      const full = logitsOf(random, 64, 1);
      const other = full.map((logit) => logit + step * random.normal(0, 1));
      const p = rowStatistics(rowOf(full));
      const change = Array.from(other, (logit, i) => logit - (full[i] ?? 0));
      const weight = Array.from(full, (logit) => Math.exp(logit - p.logSum));
      const moment = (power: number) =>
        change.reduce((sum, d, i) => sum + (weight[i] ?? 0) * d ** power, 0);
      const variance = moment(2) - moment(1) ** 2;
      const found = kl(full, other);
      expect(found).toBeGreaterThanOrEqual(0);
      expect(Math.abs(found / (variance / 2) - 1)).toBeLessThan(10 * step + 1e-6);
    }
  });

  it("stays finite for logits far apart", () => {
    const certain = Float32Array.of(500, -500, 0);
    const opposite = Float32Array.of(-500, 500, 0);
    expect(kl(certain, opposite)).toBeCloseTo(1000, 6);
    expect(kl(Float32Array.of(0, 0), Float32Array.of(0, Math.log(3)))).toBeCloseTo(
      Math.log(4 / Math.sqrt(3)) - Math.log(2),
      7,
    );
  });
});

describe("the statistics of a row", () => {
  it("give the likelihood of each token by the definition", () => {
    const logits = logitsOf(createPrng(4, "row"), 40, 3);
    const sum = logits.reduce((all, logit) => all + Math.exp(logit), 0);
    const { logSum, argmax, margin } = rowStatistics(rowOf(logits));
    logits.forEach((logit, token) => {
      const expected = -Math.log(Math.exp(logit) / sum);
      expect(negativeLogLikelihood(rowOf(logits), logSum, token)).toBeCloseTo(expected, 10);
    });
    const sorted = [...logits].sort((a, b) => b - a);
    expect(logits[argmax]).toBe(sorted[0]);
    expect(margin).toBe((sorted[0] ?? 0) - (sorted[1] ?? 0));
    expect(rowStatistics(rowOf(Float32Array.of(1, 2, 2)))).toMatchObject({ argmax: 1, margin: 0 });
  });

  it("refuse numbers that are not finite", () => {
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY]) {
      const row = rowOf(Float32Array.of(0, bad, 0));
      expect(() => rowStatistics(row)).toThrow(expect.objectContaining({ code: "BAD_LOGITS" }));
    }
  });
});

describe("a comparison of two ways of computing", () => {
  const full = [
    [3, 1, 0],
    [0, 2, 1.95],
    [1, 0, 1.5],
  ].map((row) => Float32Array.from(row));
  const lossy = [
    [3, 1, 0],
    [0, 2, 2.1],
    [1.6, 0, 1.5],
  ].map((row) => Float32Array.from(row));
  const comparison = new Comparison();
  full.forEach((row, position) => {
    const fullRow = { row: rowOf(row), statistics: rowStatistics(rowOf(row)) };
    const other = rowOf(lossy[position] ?? row);
    comparison.add(fullRow, other, { window: 0, position }, position < 2 ? 1 : undefined);
  });
  const numbers = comparison.numbers();

  it("has the mean and the largest divergence, in all and by position", () => {
    const each = full.map((row, i) => naiveKl(row, lossy[i] ?? row));
    expect(numbers.positions).toBe(3);
    expect(numbers.meanKl).toBeCloseTo(each.reduce((a, b) => a + b, 0) / 3, 12);
    expect(numbers.maxKl).toBeCloseTo(Math.max(...each), 12);
    for (const [i, value] of numbers.klByPosition.entries()) {
      expect(value).toBeCloseTo(each[i] ?? 0, 12);
    }
  });

  it("has the perplexity of the tokens that follow one in their window", () => {
    const nll = lossy.slice(0, 2).map((row) => {
      const sum = row.reduce((all, logit) => all + Math.exp(logit), 0);
      return Math.log(sum) - (row[1] ?? 0);
    });
    expect(numbers.predictedTokens).toBe(2);
    expect(numbers.nllNats).toBeCloseTo(((nll[0] ?? 0) + (nll[1] ?? 0)) / 2, 12);
    expect(numbers.perplexity).toBeCloseTo(Math.exp(numbers.nllNats), 12);
  });

  it("lists where the likeliest token differs, near ties first", () => {
    expect(numbers.argmaxAgreement).toBeCloseTo(1 / 3, 12);
    expect(numbers.nearTies).toBe(1);
    expect(
      numbers.disagreements.map(({ position, fullToken, lossyToken }) => [
        position,
        fullToken,
        lossyToken,
      ]),
    ).toEqual([
      [1, 1, 2],
      [2, 2, 0],
    ]);
    expect(numbers.disagreements[0]?.fullMargin).toBeCloseTo(0.05, 6);
  });
});
