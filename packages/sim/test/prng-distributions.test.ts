import { describe, expect, it } from "vitest";
import { createPrng, type Prng } from "../src/index.ts";

const SEEDS = [0, 1, 2, 2026, 123_456_789];

/** Pearson's statistic against equal frequencies. */
function chiSquare(counts: readonly number[]): number {
  const expected = counts.reduce((sum, n) => sum + n, 0) / counts.length;
  return counts.reduce((sum, n) => sum + (n - expected) ** 2 / expected, 0);
}

function countDraws(bins: number, draws: number, draw: () => number): number[] {
  const counts = new Array<number>(bins).fill(0);
  for (let i = 0; i < draws; i++) {
    const bin = draw();
    counts[bin] = (counts[bin] ?? Number.NaN) + 1;
  }
  return counts;
}

function moments(draws: number, draw: () => number) {
  const values = Float64Array.from({ length: draws }, draw);
  const average = (of: (x: number) => number) =>
    values.reduce((sum, x) => sum + of(x), 0) / values.length;
  const mean = average((x) => x);
  const variance = average((x) => (x - mean) ** 2);
  const standardized = (power: number) =>
    average((x) => ((x - mean) / Math.sqrt(variance)) ** power);
  return { mean, variance, skewness: standardized(3), kurtosis: standardized(4) };
}

/** Kolmogorov's distance between a sample and a distribution function. */
function kolmogorovDistance(sample: number[], cdf: (x: number) => number): number {
  const sorted = sample.sort((a, b) => a - b);
  return sorted.reduce((worst, x, i) => {
    const p = cdf(x);
    return Math.max(worst, p - i / sorted.length, (i + 1) / sorted.length - p);
  }, 0);
}

// The 0.01 % and 99.99 % points of chi-square by degrees of freedom: too even is suspect as well.
const CHI_SQUARE_RANGE = { 9: [0.6608, 33.72], 119: [69.97, 185.09], 255: [179.43, 347.65] };

describe.each(SEEDS)("with seed %i", (seed) => {
  const draws = (stream: string): Prng => createPrng(seed, stream);

  it("spreads nextUint32 evenly over its high and over its low byte", () => {
    const prng = draws("bytes");
    const [least, most] = CHI_SQUARE_RANGE[255];
    for (const shift of [24, 0]) {
      const counts = countDraws(256, 200_000, () => (prng.nextUint32() >>> shift) & 255);
      expect(chiSquare(counts)).toBeGreaterThan(least as number);
      expect(chiSquare(counts)).toBeLessThan(most as number);
    }
  });

  it("spreads nextInt evenly where modulo would not", () => {
    const prng = draws("ints");
    const [least, most] = CHI_SQUARE_RANGE[9];
    // 3/4 of 2^32: with a plain modulo the lower third would come twice as often.
    const bound = 3 * 2 ** 30;
    const counts = countDraws(10, 100_000, () => Math.floor((prng.nextInt(bound) / bound) * 10));
    expect(chiSquare(counts)).toBeGreaterThan(least as number);
    expect(chiSquare(counts)).toBeLessThan(most as number);
  });

  it("spreads nextInt evenly over bounds that need 53 bits", () => {
    const prng = draws("wide");
    const bound = 3 * 2 ** 51;
    const counts = countDraws(10, 100_000, () => Math.floor((prng.nextInt(bound) / bound) * 10));
    expect(chiSquare(counts)).toBeLessThan(CHI_SQUARE_RANGE[9][1] as number);
  });

  it("makes every order of five items equally likely", () => {
    const prng = draws("orders");
    const index = new Map<string, number>();
    const counts = countDraws(120, 120_000, () => {
      const order = prng.shuffle([0, 1, 2, 3, 4]).join("");
      if (!index.has(order)) index.set(order, index.size);
      return index.get(order) as number;
    });
    expect(index.size).toBe(120);
    const [least, most] = CHI_SQUARE_RANGE[119];
    expect(chiSquare(counts)).toBeGreaterThan(least as number);
    expect(chiSquare(counts)).toBeLessThan(most as number);
  });

  it("gives floats with mean 1/2, variance 1/12 and all 53 bits in use", () => {
    const prng = draws("floats");
    const { mean, variance } = moments(200_000, () => prng.nextFloat());
    expect(Math.abs(mean - 0.5)).toBeLessThan(4 * Math.sqrt(1 / 12 / 200_000));
    expect(Math.abs(variance - 1 / 12)).toBeLessThan(4 * Math.sqrt(1 / 180 / 200_000));
    let bits = 0n;
    for (let i = 0; i < 200; i++) bits |= BigInt(prng.nextFloat() * 2 ** 53);
    expect(bits).toBe((1n << 53n) - 1n);
  });

  it("gives normal numbers with the moments of the normal distribution", () => {
    const prng = draws("normal");
    const n = 200_000;
    const got = moments(n, () => prng.normal(10, 2));
    expect(Math.abs(got.mean - 10)).toBeLessThan(4 * (2 / Math.sqrt(n)));
    expect(Math.abs(got.variance - 4)).toBeLessThan(4 * (4 * Math.sqrt(2 / n)));
    expect(Math.abs(got.skewness)).toBeLessThan(4 * Math.sqrt(6 / n));
    expect(Math.abs(got.kurtosis - 3)).toBeLessThan(4 * Math.sqrt(24 / n));
  });

  it("gives exponential numbers that follow 1 - exp(-x / mean)", () => {
    const prng = draws("exponential");
    const n = 100_000;
    const sample = Array.from({ length: n }, () => prng.exponential(5));
    const distance = kolmogorovDistance(sample, (x) => 1 - Math.exp(-x / 5));
    // 99.99 % point of Kolmogorov's distribution: 2.23 / sqrt(n).
    expect(distance).toBeLessThan(2.23 / Math.sqrt(n));
  });

  it("is true with the asked probability", () => {
    const prng = draws("chance");
    const n = 100_000;
    const hits = countDraws(2, n, () => Number(prng.chance(0.03)))[1] as number;
    expect(Math.abs(hits - 0.03 * n)).toBeLessThan(4 * Math.sqrt(n * 0.03 * 0.97));
  });
});
