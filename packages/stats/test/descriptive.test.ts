import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  geometricMean,
  mean,
  median,
  quantile,
  standardDeviation,
  variance,
} from "../src/index.ts";

/** NIST StRD univariate data sets NumAcc1..4: exact mean and standard deviation by construction. */
function nistNumAcc(center: number, low: number, high: number): number[] {
  return [center, ...Array.from({ length: 1_000 }, (_, i) => (i % 2 === 0 ? low : high))];
}

describe("mean and standard deviation", () => {
  it.each([
    ["NumAcc1", [10000001, 10000003, 10000002], 10000002, 1],
    ["NumAcc2", nistNumAcc(1.2, 1.1, 1.3), 1.2, 0.1],
    ["NumAcc3", nistNumAcc(1000000.2, 1000000.1, 1000000.3), 1000000.2, 0.1],
    ["NumAcc4", nistNumAcc(10000000.2, 10000000.1, 10000000.3), 10000000.2, 0.1],
  ])("reproduce the certified values of NIST's %s", (_, values, certifiedMean, certifiedSd) => {
    expect(Math.abs(mean(values) / certifiedMean - 1)).toBeLessThan(1e-15);
    // The data themselves are rounded to doubles: 10000000.1 carries an error of 1e-9.
    expect(Math.abs(standardDeviation(values) / certifiedSd - 1)).toBeLessThan(2e-8);
  });

  it("keep small terms beside a large one that cancels", () => {
    expect(mean([1e16, 1, -1e16, 1])).toBe(0.5);
    expect(mean([1, 1e100, 1, -1e100])).toBe(0.5);
  });

  it("agree with exact integer arithmetic", () => {
    const integers = fc.array(fc.integer({ min: -1_000_000, max: 1_000_000 }), {
      minLength: 2,
      maxLength: 60,
    });
    fc.assert(
      fc.property(integers, (values) => {
        const n = BigInt(values.length);
        const total = values.reduce((sum, v) => sum + BigInt(v), 0n);
        const squares = values.reduce((sum, v) => sum + BigInt(v) ** 2n, 0n);
        expect(mean(values)).toBeCloseTo(Number(total) / values.length, 9);
        const exact = Number(n * squares - total * total) / Number(n * (n - 1n));
        expect(Math.abs(variance(values) - exact)).toBeLessThanOrEqual(1e-12 * exact);
      }),
      { seed: 20261123 },
    );
  });

  it("refuse no values, one value without a spread, and values that are none", () => {
    expect(() => mean([])).toThrowError(expect.objectContaining({ code: "TOO_FEW_SEEDS" }));
    expect(() => variance([1])).toThrowError(
      expect.objectContaining({ failure: { code: "TOO_FEW_SEEDS", n: 1, needed: 2 } }),
    );
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => mean([1, bad])).toThrowError(
        expect.objectContaining({
          failure: { code: "NON_FINITE_VALUE", index: 1, value: bad },
        }),
      );
    }
  });
});

describe("quantile", () => {
  it("gives what R's quantile() gives by default", () => {
    const values = [2, 4, 7, 1, 9, 3, 8, 5, 6, 10];
    // quantile(1:10, c(0, .05, .25, .5, .9, 1))
    expect([0, 0.05, 0.25, 0.5, 0.9, 1].map((p) => quantile(values, p))).toEqual([
      1, 1.45, 3.25, 5.5, 9.1, 10,
    ]);
    // quantile(c(1, 2, 4, 8), c(.1, 1/3, .99))
    expect(quantile([8, 1, 4, 2], 0.1)).toBeCloseTo(1.3, 14);
    expect(quantile([8, 1, 4, 2], 1 / 3)).toBeCloseTo(2, 14);
    expect(quantile([8, 1, 4, 2], 0.99)).toBeCloseTo(7.88, 14);
  });

  it("rises with the probability, stays inside the sample, and does not change it", () => {
    const numbers = fc.array(
      fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e9, max: 1e9 }),
      {
        minLength: 1,
        maxLength: 40,
      },
    );
    fc.assert(
      fc.property(numbers, fc.double({ min: 0, max: 1, noNaN: true }), (values, p) => {
        const before = [...values];
        const at = quantile(values, p);
        expect(at).toBeGreaterThanOrEqual(Math.min(...values));
        expect(at).toBeLessThanOrEqual(Math.max(...values));
        expect(quantile(values, p / 2)).toBeLessThanOrEqual(at);
        expect(values).toEqual(before);
      }),
      { seed: 20261123 },
    );
  });

  it("refuses probabilities outside 0..1 and samples that are empty", () => {
    expect(() => quantile([1], 1.1)).toThrowError(/probability must be in 0\.\.1/);
    expect(() => quantile([1], Number.NaN)).toThrowError(/probability must be in 0\.\.1/);
    expect(() => median([])).toThrowError(/run more seeds/);
  });
});

describe("geometricMean", () => {
  it("turns ratios and their inverses into inverses", () => {
    expect(geometricMean([1, 4])).toBeCloseTo(2, 14);
    expect(geometricMean([0.5, 2, 1])).toBeCloseTo(1, 14);
  });

  it("refuses zero and negative values by their place", () => {
    expect(() => geometricMean([2, 0])).toThrowError(
      expect.objectContaining({ failure: { code: "NOT_POSITIVE", index: 1, value: 0 } }),
    );
  });
});
