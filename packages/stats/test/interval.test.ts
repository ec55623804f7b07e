import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { meanCi, pairedRatioCi, unpairedRatioCi } from "../src/index.ts";
import { testRandom } from "./fixtures/random.ts";

const finite = fc.double({ min: -1e6, max: 1e6, noNaN: true });
const samples = fc.array(finite, { minLength: 3, maxLength: 20 });

describe("meanCi", () => {
  it("is the mean of three seeds plus and minus 4.303 standard errors", () => {
    const { mean, low, high, n, level } = meanCi([10, 12, 11]);
    expect([mean, n, level]).toEqual([11, 3, 0.95]);
    expect(low).toBeCloseTo(8.516, 3);
    expect(high).toBeCloseTo(13.484, 3);
  });

  it("reproduces R's t.test on the first group of the sleep data", () => {
    // t.test(sleep$extra[1:10])$conf.int
    const { low, high, mean } = meanCi([0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0, 2]);
    expect(mean).toBeCloseTo(0.75, 12);
    expect(low).toBeCloseTo(-0.5297804, 6);
    expect(high).toBeCloseTo(2.0297804, 6);
  });

  it("widens with the level and is a point without spread", () => {
    const values = [3, 4, 8, 5];
    const [narrow, wide] = [meanCi(values, 0.9), meanCi(values, 0.99)];
    expect(wide.low).toBeLessThan(narrow.low);
    expect(wide.high).toBeGreaterThan(narrow.high);
    expect(meanCi([7, 7, 7])).toEqual({ mean: 7, low: 7, high: 7, n: 3, level: 0.95 });
  });

  it("moves and stretches with the values, and does not care about their order", () => {
    fc.assert(
      fc.property(samples, finite, fc.integer({ min: 1, max: 1000 }), (values, shift, scale) => {
        const plain = meanCi(values);
        const moved = meanCi(values.map((v) => v * scale + shift).reverse());
        const size = Math.max(...values.map(Math.abs), 1) * scale + Math.abs(shift);
        expect(Math.abs(moved.low - (plain.low * scale + shift))).toBeLessThan(1e-7 * size);
        expect(Math.abs(moved.high - (plain.high * scale + shift))).toBeLessThan(1e-7 * size);
        expect(plain.low).toBeLessThanOrEqual(plain.mean);
        expect(plain.high).toBeGreaterThanOrEqual(plain.mean);
      }),
      { seed: 20261123 },
    );
  });

  it.each([3, 5, 20])("covers the true mean 95 times in a hundred with %i seeds", (n) => {
    const random = testRandom(n);
    const trials = 20_000;
    let covered = 0;
    for (let trial = 0; trial < trials; trial++) {
      const { low, high } = meanCi(Array.from({ length: n }, () => 5 + 2 * random.normal()));
      if (low <= 5 && 5 <= high) covered++;
    }
    // Standard deviation of the share: 0.15 %; four of them.
    expect(Math.abs(covered / trials - 0.95)).toBeLessThan(0.0062);
  });

  it("refuses two seeds, values that are none, and levels that are none", () => {
    expect(() => meanCi([1, 2])).toThrowError(
      expect.objectContaining({ failure: { code: "TOO_FEW_SEEDS", n: 2, needed: 3 } }),
    );
    expect(() => meanCi([1, 2, Number.NaN])).toThrowError(
      expect.objectContaining({ code: "NON_FINITE_VALUE" }),
    );
    expect(() => meanCi([1, 2, 3], 1)).toThrowError(/level must lie between 0 and 1/);
    expect(() => meanCi([1, 2, 3], 95)).toThrowError(/level must lie between 0 and 1/);
  });
});

describe("pairedRatioCi", () => {
  it("is the t interval of the log ratios, turned back", () => {
    // By hand: ratios e^0.1, e^0.2, e^0.3: mean 0.2, standard error 0.1/sqrt(3), t 4.30265.
    const ours = [1, 2, 3].map((k) => 50 * k * Math.exp(k / 10));
    const peer = [50, 100, 150];
    const { ratio, low, high, n } = pairedRatioCi(ours, peer);
    const half = (4.302652729749 * 0.1) / Math.sqrt(3);
    expect(n).toBe(3);
    expect(ratio).toBeCloseTo(Math.exp(0.2), 10);
    expect(low).toBeCloseTo(Math.exp(0.2 - half), 8);
    expect(high).toBeCloseTo(Math.exp(0.2 + half), 8);
  });

  it("turns over when the two sides change places", () => {
    const positive = fc.array(
      fc.tuple(
        fc.double({ min: 0.1, max: 1e3, noNaN: true }),
        fc.double({ min: 0.1, max: 1e3, noNaN: true }),
      ),
      { minLength: 3, maxLength: 12 },
    );
    fc.assert(
      fc.property(positive, (pairs) => {
        const [ours, peer] = [pairs.map(([a]) => a), pairs.map(([, b]) => b)];
        const there = pairedRatioCi(ours, peer);
        const back = pairedRatioCi(peer, ours);
        expect(there.ratio * back.ratio).toBeCloseTo(1, 9);
        expect(Math.log(there.low) + Math.log(back.high)).toBeCloseTo(0, 6);
      }),
      { seed: 20261123 },
    );
  });

  it("is narrower than the unpaired one where pairs rise and fall together", () => {
    const peer = [10, 40, 90, 20, 60];
    const ours = peer.map((value, i) => value * (1.1 + i / 100));
    const paired = pairedRatioCi(ours, peer);
    const unpaired = unpairedRatioCi(ours, peer);
    expect(unpaired.ratio).toBeCloseTo(paired.ratio, 10);
    expect(paired.low).toBeGreaterThan(1);
    expect(unpaired.low).toBeLessThan(1);
  });

  it("refuses samples that are not paired and ratios with nothing", () => {
    expect(() => pairedRatioCi([1, 2, 3], [1, 2])).toThrowError(
      expect.objectContaining({ failure: { code: "NOT_PAIRED", left: 3, right: 2 } }),
    );
    expect(() => pairedRatioCi([1, 2, 3], [1, 0, 2])).toThrowError(
      expect.objectContaining({ code: "NOT_POSITIVE" }),
    );
  });
});
