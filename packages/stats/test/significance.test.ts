import { describe, expect, it } from "vitest";
import { holm, pairedTTest, signTest, welchTest } from "../src/index.ts";
import { testRandom } from "./fixtures/random.ts";

// Student's sleep data (Cushny and Peebles 1905), R's data set `sleep`: extra hours under two
// drugs.
const DRUG_1 = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0, 2];
const DRUG_2 = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4];

describe("pairedTTest", () => {
  it("gives what R's t.test(extra ~ group, paired = TRUE) prints for the sleep data", () => {
    const { difference, t, degreesOfFreedom, p } = pairedTTest(DRUG_1, DRUG_2);
    expect(t).toBeCloseTo(-4.0621, 4);
    expect(degreesOfFreedom).toBe(9);
    expect(p).toBeCloseTo(0.002833, 6);
    expect(difference.mean).toBeCloseTo(-1.58, 12);
    expect(difference.low).toBeCloseTo(-2.4598858, 7);
    expect(difference.high).toBeCloseTo(-0.7001142, 7);
  });

  it("finds nothing between a sample and itself, and certainty in a constant shift", () => {
    expect(pairedTTest(DRUG_1, DRUG_1)).toMatchObject({ t: 0, p: 1 });
    const shifted = [1, 2, 3].map((value) => value + 1);
    expect(pairedTTest(shifted, [1, 2, 3])).toMatchObject({ t: Number.POSITIVE_INFINITY, p: 0 });
  });

  it("refuses fewer than three pairs and samples of different length", () => {
    expect(() => pairedTTest([1, 2], [1, 3])).toThrowError(/run more seeds/);
    expect(() => pairedTTest([1, 2, 3], [1, 2])).toThrowError(/one value per pair/);
  });
});

describe("welchTest", () => {
  it("gives what R's t.test(extra ~ group) prints for the sleep data", () => {
    const { difference, t, degreesOfFreedom, p } = welchTest(DRUG_1, DRUG_2);
    expect(t).toBeCloseTo(-1.8608, 4);
    expect(degreesOfFreedom).toBeCloseTo(17.776, 3);
    expect(p).toBeCloseTo(0.07939, 5);
    expect(difference.low).toBeCloseTo(-3.3654832, 7);
    expect(difference.high).toBeCloseTo(0.2054832, 7);
  });

  it("says false things five times in a hundred when there is nothing, variances unequal", () => {
    const random = testRandom(9);
    const trials = 10_000;
    let alarms = 0;
    for (let trial = 0; trial < trials; trial++) {
      const a = Array.from({ length: 6 }, () => random.normal());
      const b = Array.from({ length: 12 }, () => 4 * random.normal());
      if (welchTest(a, b).p < 0.05) alarms++;
    }
    expect(Math.abs(alarms / trials - 0.05)).toBeLessThan(0.012);
  });

  it("has no degrees of freedom that are NaN where nothing varies", () => {
    expect(welchTest([1, 1, 1], [2, 2, 2])).toMatchObject({ degreesOfFreedom: 4, p: 0 });
    expect(welchTest([1, 1, 1], [1, 1, 1])).toMatchObject({ degreesOfFreedom: 4, p: 1 });
  });
});

describe("signTest", () => {
  it("is exact: nine of nine for the sleep data, whose equal pair is left out", () => {
    expect(signTest(DRUG_1, DRUG_2)).toBeCloseTo(2 / 2 ** 9, 12);
  });

  it("is one when there is nothing to tell apart", () => {
    expect(signTest([1, 2], [1, 2])).toBe(1);
    expect(signTest([1, 2], [2, 1])).toBe(1);
  });
});

describe("holm", () => {
  it('gives what R\'s p.adjust(method = "holm") gives', () => {
    // p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm")
    const adjusted = holm([0.01, 0.04, 0.03, 0.005]);
    for (const [i, p] of [0.03, 0.06, 0.06, 0.02].entries()) expect(adjusted[i]).toBeCloseTo(p, 12);
    expect(holm([0.6, 0.7])).toEqual([1, 1]);
    expect(holm([])).toEqual([]);
  });

  it("refuses what is no probability", () => {
    expect(() => holm([0.5, 1.2])).toThrowError(/p value must be in 0\.\.1/);
    expect(() => holm([Number.NaN])).toThrowError(/p value must be in 0\.\.1/);
  });
});
