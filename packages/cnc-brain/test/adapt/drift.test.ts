import { createPrng } from "@fmlab/sim";
import { describe, expect, it } from "vitest";
import { Adwin } from "../../src/adapt/adwin.ts";
import type { DriftDetector } from "../../src/adapt/drift.ts";
import { pageHinkley } from "../../src/adapt/page-hinkley.ts";
import streams from "./published-streams.json" with { type: "json" };

function detections(detector: DriftDetector, digits: string): number[] {
  return [...digits].flatMap((digit, i) => (detector.add(Number(digit)) ? [i] : []));
}

describe("ADWIN", () => {
  it("finds the changes of CapyMOA's published example where MOA finds them", () => {
    expect(detections(new Adwin(0.001), streams.capymoa)).toEqual([1023, 1055]);
  });

  it("keeps a window of the present mean, and all of it while nothing changes", () => {
    const adwin = new Adwin(0.002);
    const prng = createPrng(5);
    for (let i = 0; i < 4000; i++) adwin.add(prng.nextFloat());
    expect(adwin.width).toBe(4000);
    for (let i = 0; i < 4000; i++) adwin.add(3 + prng.nextFloat());
    expect(adwin.mean).toBeGreaterThan(3.3);
    expect(adwin.width).toBeLessThanOrEqual(4064);
  });

  it("gives false alarms seldom", () => {
    let alarms = 0;
    for (let seed = 0; seed < 40; seed++) {
      const adwin = new Adwin(0.002);
      const prng = createPrng(seed);
      for (let i = 0; i < 2000; i++) if (adwin.add(prng.chance(0.3) ? 1 : 0)) alarms++;
    }
    expect(alarms).toBeLessThanOrEqual(2);
  });

  it("sums its window as a plain list would", () => {
    const adwin = new Adwin(0.002);
    const prng = createPrng(9);
    const plain: number[] = [];
    for (let i = 0; i < 3000; i++) {
      const value = (i > 1500 ? 4 : 0) + prng.normal();
      adwin.add(value);
      plain.push(value);
      const window = plain.slice(-adwin.width);
      if (i % 50 !== 0) continue;
      const mean = window.reduce((sum, one) => sum + one, 0) / window.length;
      expect(adwin.mean).toBeCloseTo(mean, 6);
    }
  });
});

describe("the Page-Hinkley test", () => {
  it("finds the change of river's published example at 1006", () => {
    expect(detections(pageHinkley(), streams.river)[0]).toBe(1006);
  });

  it("finds the changes of CapyMOA's published example, the sum being the statistic", () => {
    expect(detections(pageHinkley({ statistic: "sum" }), streams.capymoa)).toEqual([1014, 1685]);
  });

  it("refuses a threshold that would call everything a change", () => {
    expect(() => pageHinkley({ threshold: 0 })).toThrow(/threshold/);
  });
});
