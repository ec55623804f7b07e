import { createPrng } from "@fmlab/sim";
import { describe, expect, it } from "vitest";
import { ConfidenceSequence } from "../../src/adapt/confidence-sequence.ts";
import { ShadowGate } from "../../src/adapt/shadow-gate.ts";

const GATE = { alpha: 0.05, minComparisons: 10, maxComparisons: 400, lossBudget: 20 };

describe("the confidence sequence", () => {
  it("misses the mean at any time no more often than it says, looked at after every value", () => {
    let misses = 0;
    const trials = 400;
    for (let seed = 0; seed < trials; seed++) {
      const prng = createPrng(seed, "cs");
      const bounds = new ConfidenceSequence({ alpha: 0.1, tightestAt: 60, minValues: 20 });
      let isMissed = false;
      for (let n = 0; n < 300; n++) {
        bounds.add(prng.normal(2, 3));
        if (bounds.lower > 2) isMissed = true;
      }
      if (isMissed) misses++;
    }
    expect(misses / trials).toBeLessThanOrEqual(0.1);
    // A bound that never misses would be no bound worth having.
    expect(misses).toBeGreaterThan(0);
  });

  it("is the published formula", () => {
    const bounds = new ConfidenceSequence({ alpha: 0.05, tightestAt: 50, minValues: 2 });
    for (const value of [1, 2, 3, 4]) bounds.add(value);
    const log = -2 * Math.log(0.1);
    const rho2 = (log + Math.log(1 + log)) / 50;
    const sd = Math.sqrt(5 / 3);
    const radius =
      sd *
      Math.sqrt(((2 * (4 * rho2 + 1)) / (16 * rho2)) * Math.log(1 + Math.sqrt(4 * rho2 + 1) / 0.1));
    expect(bounds.lower).toBeCloseTo(2.5 - radius, 12);
    expect(bounds.upper).toBeCloseTo(2.5 + radius, 12);
  });

  it("says nothing before it knows the variance", () => {
    const bounds = new ConfidenceSequence({ alpha: 0.05, tightestAt: 50, minValues: 3 });
    bounds.add(5);
    bounds.add(6);
    expect([bounds.lower, bounds.upper]).toEqual([-Infinity, Infinity]);
  });
});

describe("the gate", () => {
  it("opens for a better candidate and acts on", () => {
    const gate = new ShadowGate({ ...GATE, lossBudget: 500 });
    const prng = createPrng(1);
    const verdicts = Array.from({ length: 200 }, () => gate.compare(prng.normal(0.5, 1), 10));
    expect(verdicts).toContain("opened");
    expect(verdicts.slice(-100)).toEqual(Array.from({ length: 100 }, () => "acting"));
    expect(gate.isOpen).toBe(true);
    expect(gate.lowerBound).toBeGreaterThan(0);
  });

  it("opens for candidates without advantage no more often than alpha", () => {
    let opened = 0;
    const trials = 400;
    for (let seed = 0; seed < trials; seed++) {
      const gate = new ShadowGate(GATE);
      const prng = createPrng(seed, "gate");
      for (let n = 0; n < GATE.maxComparisons; n++) {
        if (gate.compare(prng.normal(0, 1), 10) === "opened") {
          opened++;
          break;
        }
      }
    }
    expect(opened / trials).toBeLessThanOrEqual(GATE.alpha + 0.02);
  });

  it("stops a candidate that turns bad before it has lost more than the budget and one more", () => {
    for (let seed = 0; seed < 50; seed++) {
      const gate = new ShadowGate(GATE);
      const prng = createPrng(seed, "turn");
      while (!gate.isOpen) gate.compare(prng.normal(1, 0.5), 10);
      for (let n = 0; n < 500; n++) gate.compare(prng.normal(1, 0.5), 10);
      let lost = 0;
      let worst = 0;
      while (gate.isOpen) {
        const advantage = prng.normal(-2, 0.5);
        worst = Math.max(worst, -advantage * 10);
        lost -= advantage * 10;
        gate.compare(advantage, 10);
      }
      expect(lost).toBeLessThanOrEqual(GATE.lossBudget + worst + 10);
      expect(gate.worstLoss).toBeLessThanOrEqual(GATE.lossBudget + worst);
    }
  });

  it("gives up what cannot win, and what is the same as the fall-back", () => {
    const worse = new ShadowGate(GATE);
    const prng = createPrng(2);
    let verdict = "shadow";
    while (verdict === "shadow") verdict = worse.compare(prng.normal(-1, 1), 10);
    expect(verdict).toBe("given-up");
    const same = new ShadowGate(GATE);
    const verdicts = Array.from({ length: GATE.minComparisons }, () => same.compare(0, 10));
    expect(verdicts.at(-1)).toBe("given-up");
  });
});
