import { createPrng } from "@fmlab/sim";
import { describe, expect, it } from "vitest";
import { burr, logNormal, normalCdf, normalQuantile } from "../../src/traces/distributions.ts";
import { reportFit } from "../../src/traces/fit-report.ts";
import { drawDurationMs, generateArrivals, generateFunctions } from "../../src/traces/generator.ts";
import { chiSquareTest, kolmogorovTail, ksTest } from "../../src/traces/goodness-of-fit.ts";
import { DURATION_SECONDS, MEMORY_MB } from "../../src/traces/published-fits.ts";

describe("the published distributions", () => {
  it("have the medians of the paper notes, section 9", () => {
    expect(MEMORY_MB.quantile(0.5)).toBeCloseTo(139.6, 1);
    expect(DURATION_SECONDS.quantile(0.5)).toBeCloseTo(0.684, 3);
  });

  it("are inverse to themselves", () => {
    for (const distribution of [burr(3, 0.5, 10), logNormal(1, 2)]) {
      for (const u of [0.001, 0.2, 0.5, 0.9, 0.999]) {
        expect(distribution.cdf(distribution.quantile(u))).toBeCloseTo(u, 10);
      }
    }
  });

  it("rest on a normal distribution with tabled values", () => {
    // Abramowitz and Stegun, table 26.1.
    expect(normalCdf(1)).toBeCloseTo(0.841344746068543, 12);
    expect(normalCdf(2.5)).toBeCloseTo(0.993790334674224, 12);
    expect(normalCdf(-4)).toBeCloseTo(3.167124183311992e-5, 15);
    expect(normalQuantile(0.975)).toBeCloseTo(1.959963984540054, 10);
  });
});

describe("goodness of fit", () => {
  it("has Kolmogorov's tabled tail", () => {
    expect(kolmogorovTail(1.358)).toBeCloseTo(0.05, 3);
    expect(kolmogorovTail(1.628)).toBeCloseTo(0.01, 3);
  });

  it("finds what does not fit and keeps what does", () => {
    const prng = createPrng(4);
    const sample = Array.from({ length: 2000 }, () => prng.normal());
    const standard = { cdf: normalCdf, quantile: normalQuantile };
    expect(ksTest(sample, standard).pValue).toBeGreaterThan(0.01);
    expect(
      ksTest(
        sample.map((x) => x + 0.15),
        standard,
      ).pValue,
    ).toBeLessThan(0.001);
    // Chi-square 9.488 with 4 degrees of freedom is the 5 % point.
    const tail = (z: number) => 1 - normalCdf(z);
    const { statistic, pValue } = chiSquareTest([30, 20, 20, 20, 10], [1, 1, 1, 1, 1], tail);
    expect(statistic).toBeCloseTo(10, 9);
    expect(pValue).toBeCloseTo(0.0404, 2);
  });
});

describe("the generator", () => {
  it("draws functions that fit what was published, by its own report", () => {
    const functions = generateFunctions({ apps: 1500, durationMsMax: 1e12 }, createPrng(1));
    const report = reportFit(functions);
    for (const { quantity, pValue } of report) {
      if (pValue !== undefined) expect(pValue, quantity).toBeGreaterThan(0.001);
    }
    for (const row of report.filter(({ test }) => test === "difference")) {
      expect(Math.abs(row.statistic), row.quantity).toBeLessThan(0.03);
    }
  });

  it("is the same for the same seed, and an application does not depend on the others", () => {
    const draw = (apps: number) => generateFunctions({ apps }, createPrng(5));
    expect(draw(20)).toEqual(draw(20));
    expect(draw(40).filter(({ app }) => app < 20)).toEqual(draw(20));
  });

  it("makes arrivals of the asked rate, variation and daily rhythm", () => {
    const base = { app: 0, trigger: "http", meanDurationMs: 1, memoryMb: 1, phaseMs: 0 };
    const day = 86_400_000;
    const fn = { ...base, invocationsPerDay: 40_000, gapVariation: 1 };
    const arrivals = generateArrivals(fn, day, createPrng(1));
    expect(Math.abs(arrivals.length / 40_000 - 1)).toBeLessThan(0.02);
    const high = arrivals.filter((at) => at < day / 2).length;
    // The half with the wave up: (1 + 2 a / pi) / 2 of all, a = 1/3.
    expect(high / arrivals.length).toBeCloseTo((1 + 2 / 3 / Math.PI) / 2, 2);
    const bursts = generateArrivals({ ...fn, gapVariation: 3 }, day, createPrng(2));
    const gaps = bursts.slice(1).map((at, i) => at - (bursts[i] as number));
    const mean = gaps.reduce((a, b) => a + b, 0) / gaps.length;
    const deviation = Math.sqrt(gaps.reduce((s, g) => s + (g - mean) ** 2, 0) / gaps.length);
    expect(deviation / mean).toBeGreaterThan(2.7);
    const clock = generateArrivals(
      { ...fn, gapVariation: 0, invocationsPerDay: 24 },
      day,
      createPrng(1),
    );
    expect([...clock.slice(1)].map((at, i) => at - (clock[i] as number))).toEqual(
      new Array(23).fill(3_600_000),
    );
  });

  it("draws durations with the mean it was given", () => {
    const prng = createPrng(9);
    let sum = 0;
    for (let i = 0; i < 50_000; i++) sum += drawDurationMs(10, prng);
    expect(sum / 50_000).toBeCloseTo(10, 0);
  });
});
