import { createPrng } from "@fmlab/sim";
import { describe, expect, it } from "vitest";
import {
  type FrontPoint,
  frontAt,
  frontOf,
  judgeFront,
} from "../../src/keepalive-run/judge-front.ts";

const point = (idleMemoryGbHours: number, coldStartRate: number, policy = "a"): FrontPoint => ({
  policy,
  setting: `${idleMemoryGbHours}`,
  idleMemoryGbHours,
  coldStartRate,
});

describe("the front of other policies", () => {
  it("is what mixing two of their settings by lot gives: no mix is below it, over random points", () => {
    for (let seed = 0; seed < 50; seed++) {
      const prng = createPrng(seed);
      const points = Array.from({ length: 12 }, () => point(prng.nextInt(100), prng.nextInt(100)));
      const front = frontOf(points);
      for (const vertex of front) expect(points).toContainEqual(vertex);
      for (const a of points) {
        for (const b of points) {
          const share = prng.nextFloat();
          const memory = share * a.idleMemoryGbHours + (1 - share) * b.idleMemoryGbHours;
          const cold = share * a.coldStartRate + (1 - share) * b.coldStartRate;
          expect(frontAt(front, memory)).toBeLessThanOrEqual(cold + 1e-9);
        }
      }
    }
  });

  it("has its vertices' own values, straight lines between them, and nothing to its left", () => {
    const front = frontOf([point(1, 10), point(3, 2), point(2, 9), point(4, 5), point(6, 1)]);
    expect(front.map((one) => one.idleMemoryGbHours)).toEqual([1, 3, 6]);
    expect([1, 2, 3, 9].map((memory) => frontAt(front, memory))).toEqual([10, 6, 2, 1]);
    expect(frontAt(front, 0.5)).toBeNaN();
  });
});

describe("the verdict on our settings", () => {
  const windowsOf = (...ours: [memory: number, cold: number][]) =>
    ours.map(([memory, cold], i) => ({
      seed: i,
      points: [
        point(0, 100),
        point(10, 50),
        point(20, 40, "b"),
        { ...point(memory, cold, "ours"), setting: "p" },
      ],
    }));
  const judge = (...ours: [number, number][]) =>
    judgeFront(windowsOf(...ours), "ours", ["a", "b"])[0];

  it("is beyond where every seed has fewer cold starts than the front at its memory", () => {
    // The front at 5 is 75, at 15 it is 45.
    const verdict = judge([5, 37.5], [15, 22.5], [5, 37.4]);
    expect(verdict?.verdict).toBe("beyond");
    expect(verdict?.ratio.ratio).toBeCloseTo(0.5, 2);
    expect(verdict?.byPolicy.b).toBeNaN();
  });

  it("is on where seeds differ about it, and behind where they agree that it is worse", () => {
    expect(judge([5, 70], [5, 80], [5, 75])?.verdict).toBe("on");
    expect(judge([5, 90], [5, 91], [15, 55])?.verdict).toBe("behind");
  });
});
