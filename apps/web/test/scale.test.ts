import { describe, expect, it } from "vitest";
import { logTicks, niceTicks, type Scale, toPixel } from "../src/ui/charts/scale.ts";

describe("scales", () => {
  it("map their ends to their pixels, and a log scale its middle to the geometric mean", () => {
    const scale: Scale = { kind: "log", min: 1, max: 100, from: 200, to: 0 };
    expect([1, 10, 100].map((value) => toPixel(scale, value))).toEqual([200, 100, 0]);
    expect(toPixel({ ...scale, kind: "linear" }, 50.5)).toBe(100);
  });

  it("put what a log scale cannot show beyond its lower end", () => {
    const up: Scale = { kind: "log", min: 1, max: 100, from: 200, to: 0 };
    expect(toPixel(up, 0)).toBeGreaterThan(1_000);
    expect(toPixel({ ...up, from: 0, to: 200 }, -5)).toBeLessThan(-1_000);
  });

  it("have round ticks inside their range", () => {
    expect(niceTicks(0, 10, 5)).toEqual([0, 2, 4, 6, 8, 10]);
    expect(niceTicks(0.13, 0.42, 3)).toEqual([0.2, 0.3, 0.4]);
    expect(niceTicks(0, 5 * 2 ** 20, 5, "B")).toEqual([0, 1, 2, 3, 4, 5].map((n) => n * 2 ** 20));
    expect(niceTicks(3, 3, 5)).toEqual([3]);
  });

  it("have log ticks at 1, 2, 5 in a short range and at powers in a long one", () => {
    expect(logTicks(1, 20, 6)).toEqual([1, 2, 5, 10, 20]);
    expect(logTicks(1e-3, 1e3, 6)).toEqual([0.001, 0.01, 0.1, 1, 10, 100, 1_000]);
    expect(logTicks(1e-9, 1e9, 6)).toEqual([1e-9, 1e-6, 1e-3, 1, 1e3, 1e6, 1e9]);
    expect(logTicks(2 ** 20, 2 ** 24, 6, "B")).toEqual([20, 21, 22, 23, 24].map((n) => 2 ** n));
    expect(logTicks(100, 150, 5)).toEqual([100, 110, 120, 130, 140, 150]);
  });

  it("have at least two ticks inside any range", () => {
    const bad: string[] = [];
    for (let power = -6; power <= 6; power++) {
      for (const ratio of [1.01, 1.5, 3, 9, 40, 1e4, 1e9]) {
        for (const offset of [1, 2.3, 7.7]) {
          const min = offset * 10 ** power;
          for (const list of [
            logTicks(min, min * ratio, 6),
            logTicks(min, min * ratio, 6, "B"),
            niceTicks(min, min * ratio, 6),
            niceTicks(min, min * ratio, 2),
          ]) {
            const isIn = (tick: number) =>
              tick >= min * (1 - 1e-6) && tick <= min * ratio * (1 + 1e-6);
            const isGood = list.length >= 2 && list.length <= 20 && list.every(isIn);
            if (!isGood) bad.push(`${min} times ${ratio}: ${list}`);
          }
        }
      }
    }
    expect(bad).toEqual([]);
  });
});
