import { describe, expect, it } from "vitest";
import { bootstrapCi, mean, median, quantile, type RandomSource } from "../src/index.ts";
import { testRandom } from "./fixtures/random.ts";

/** Draws that walk through all n^n samples of n values, each once: the bootstrap without chance. */
function everyResample(n: number): RandomSource {
  let count = 0;
  return {
    nextInt: (bound) => {
      const sample = Math.floor(count / n);
      const place = count++ % n;
      return Math.floor(sample / bound ** place) % bound;
    },
  };
}

describe("bootstrapCi", () => {
  it("gives the quantiles of all 4^4 resamples when the chance is an enumeration", () => {
    const values = [1, 2, 4, 8];
    const all: number[] = [];
    for (let code = 0; code < 256; code++) {
      all.push(mean([0, 1, 2, 3].map((k) => values[Math.floor(code / 4 ** k) % 4] as number)));
    }
    const { estimate, low, high } = bootstrapCi(values, everyResample(4), { resamples: 256 });
    expect(estimate).toBe(3.75);
    expect(low).toBe(quantile(all, 0.025));
    expect(high).toBe(quantile(all, 0.975));
  });

  it("gives the same interval for the same seed and another for another", () => {
    const values = [3, 1, 4, 1, 5, 9, 2, 6];
    const run = (seed: number) =>
      bootstrapCi(values, testRandom(seed), { statistic: median, resamples: 500 });
    expect(run(1)).toEqual(run(1));
    expect(bootstrapCi(values, testRandom(1))).not.toEqual(bootstrapCi(values, testRandom(2)));
  });

  it("covers about 94 % of true means with 30 values and about 83 % with 5, as documented", () => {
    const coverage = (n: number, seed: number) => {
      const random = testRandom(seed);
      const trials = 1_500;
      let covered = 0;
      for (let trial = 0; trial < trials; trial++) {
        const values = Array.from({ length: n }, random.normal);
        const { low, high } = bootstrapCi(values, random, { resamples: 400 });
        if (low <= 0 && 0 <= high) covered++;
      }
      return covered / trials;
    };
    expect(Math.abs(coverage(30, 4) - 0.94)).toBeLessThan(0.025);
    expect(Math.abs(coverage(5, 5) - 0.83)).toBeLessThan(0.035);
  });

  it("refuses too few values and too few resamples", () => {
    expect(() => bootstrapCi([1, 2], testRandom(0))).toThrowError(/run more seeds/);
    expect(() => bootstrapCi([1, 2, 3], testRandom(0), { resamples: 99 })).toThrowError(/>= 100/);
  });
});
