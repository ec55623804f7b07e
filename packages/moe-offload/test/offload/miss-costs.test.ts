import { describe, expect, it } from "vitest";
import { MeasuredCosts, StatedCosts } from "../../src/offload/miss-costs.ts";

describe("measured costs of misses", () => {
  it("are those of what was measured, by byte", () => {
    const costs = new MeasuredCosts(4);
    for (let i = 0; i < 200; i++) {
      costs.onCopy(1000, 2);
      costs.onCpu(1, 1000, 3);
    }
    expect(costs.copyMs(500)).toBeCloseTo(1, 9);
    expect(costs.cpuMs(1, 2000)).toBeCloseTo(6, 9);
    expect(costs.cpuMs(0, 2000)).toBe(0);
  });

  it("cost nothing before they are known, so that they are tried", () => {
    const costs = new MeasuredCosts(4);
    expect([costs.copyMs(1000), costs.cpuMs(1, 1000), costs.cpuMs(4, 1000)]).toEqual([0, 0, 0]);
  });

  it("of numbers never measured go by the nearest that was", () => {
    const costs = new MeasuredCosts(6);
    costs.onCpu(2, 1000, 4);
    costs.onCpu(5, 1000, 8);
    expect(costs.cpuMs(1, 1000)).toBeCloseTo(2, 9);
    expect(costs.cpuMs(3, 1000)).toBeCloseTo(6, 9);
    expect(costs.cpuMs(4, 1000)).toBeCloseTo((8 / 5) * 4, 9);
    expect(costs.cpuMs(6, 1000)).toBeCloseTo((8 / 5) * 6, 9);
  });

  it("follow a change of the machine, and hardly a single bad moment", () => {
    const costs = new MeasuredCosts(1);
    for (let i = 0; i < 50; i++) costs.onCpu(1, 1, 1);
    costs.onCpu(1, 1, 1000);
    expect(costs.cpuMs(1, 1)).toBeLessThan(1.5);
    for (let i = 0; i < 100; i++) costs.onCpu(1, 1, 5);
    expect(costs.cpuMs(1, 1)).toBeCloseTo(5, 3);
  });

  it("are believed less while the CPU goes unused, until it is tried again", () => {
    const costs = new MeasuredCosts(2);
    costs.onCpu(1, 1, 8);
    for (let i = 0; i < 3000; i++) costs.onCpu(0, 1, 0);
    expect(costs.cpuMs(1, 1)).toBeLessThan(0.5);
    expect(costs.cpuMs(1, 1)).toBeGreaterThan(0);
  });
});

describe("stated costs of the CPU", () => {
  it("are once a layer and once an expert, and copies are measured", () => {
    const costs = new StatedCosts({ expertMs: 2, layerMs: 0.5 });
    expect([0, 1, 3].map((count) => costs.cpuMs(count))).toEqual([0, 2.5, 6.5]);
    costs.onCpu();
    costs.onCopy(100, 7);
    expect(costs.cpuMs(1)).toBe(2.5);
    expect(costs.copyMs(200)).toBeCloseTo(14, 9);
  });
});
