import { describe, expect, it } from "vitest";
import { fairBinomialCdf, studentQuantile, studentTwoSided } from "../src/index.ts";

// Two-sided 90, 95 and 99 % points of Student's t as printed tables have them.
const TABLE: [df: number, p95: number, p975: number, p995: number][] = [
  [1, 6.314, 12.706, 63.657],
  [2, 2.92, 4.303, 9.925],
  [3, 2.353, 3.182, 5.841],
  [4, 2.132, 2.776, 4.604],
  [5, 2.015, 2.571, 4.032],
  [9, 1.833, 2.262, 3.25],
  [10, 1.812, 2.228, 3.169],
  [20, 1.725, 2.086, 2.845],
  [29, 1.699, 2.045, 2.756],
  [30, 1.697, 2.042, 2.75],
  [60, 1.671, 2.0, 2.66],
  [120, 1.658, 1.98, 2.617],
];

describe("Student's t", () => {
  it.each(TABLE)("has the table's quantiles at %i degrees of freedom", (df, p95, p975, p995) => {
    expect(studentQuantile(0.95, df)).toBeCloseTo(p95, 3);
    expect(studentQuantile(0.975, df)).toBeCloseTo(p975, 3);
    expect(studentQuantile(0.995, df)).toBeCloseTo(p995, 3);
    expect(studentQuantile(0.025, df)).toBeCloseTo(-p975, 3);
  });

  it("is the closed form at 1 and at 2 degrees of freedom", () => {
    for (const p of [0.6, 0.9, 0.975, 0.999]) {
      expect(studentQuantile(p, 1) / Math.tan(Math.PI * (p - 0.5))).toBeCloseTo(1, 7);
      const two = (2 * p - 1) / Math.sqrt(2 * p * (1 - p));
      expect(studentQuantile(p, 2) / two).toBeCloseTo(1, 7);
    }
  });

  it("comes back to the probability it started from, also at fractional degrees", () => {
    for (const df of [1, 2.5, 7.3, 17.776, 40, 1_000]) {
      for (const p of [0.001, 0.025, 0.3, 0.8, 0.9995]) {
        const t = studentQuantile(p, df);
        expect(studentTwoSided(t, df)).toBeCloseTo(2 * Math.min(p, 1 - p), 8);
      }
    }
  });

  it("keeps tiny probabilities apart from zero", () => {
    // 1 degree of freedom is Cauchy: P(|T| >= t) = 2/pi atan(1/t).
    const cauchy = (t: number) => (2 / Math.PI) * Math.atan(1 / t);
    for (const t of [1, 1e3, 1e9, 1e12]) {
      expect(studentTwoSided(t, 1) / cauchy(t)).toBeCloseTo(1, 6);
    }
    expect(studentTwoSided(Number.POSITIVE_INFINITY, 5)).toBe(0);
    expect(studentTwoSided(0, 5)).toBe(1);
  });

  it("refuses certain probabilities and no degrees of freedom", () => {
    for (const p of [0, 1, -0.1, Number.NaN]) {
      expect(() => studentQuantile(p, 3)).toThrowError(/must lie between 0 and 1/);
    }
    expect(() => studentQuantile(0.5, 0)).toThrowError(/degrees of freedom must be above 0/);
  });
});

describe("fairBinomialCdf", () => {
  it("counts the tosses", () => {
    const choose = (n: number, k: number): number =>
      k === 0 ? 1 : (choose(n, k - 1) * (n - k + 1)) / k;
    for (const n of [1, 5, 12, 30]) {
      let total = 0;
      for (let k = 0; k < n; k++) {
        total += choose(n, k) / 2 ** n;
        expect(fairBinomialCdf(k, n)).toBeCloseTo(total, 9);
      }
    }
  });
});
