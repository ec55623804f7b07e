import { createPrng } from "@fmlab/sim";
import { expect, it } from "vitest";
import { mrs } from "../../src/policies/mrs.ts";
import { NaiveDriver } from "./naive-driver.ts";
import { randomTrace, shapeOf } from "./random-trace.ts";

it("mrs evicts the lowest of 0.5 TopP(s) + 0.5 S, by the formula over whole histories", () => {
  const random = createPrng(43, "mrs");
  const shape = shapeOf(2, 12, 2);
  const allocation = { slots: [5, 5], isShared: false, staging: 0 };
  const driver = new NaiveDriver(mrs, { shape, allocation });
  const histories: number[][][] = [[], []];
  let evictions = 0;
  for (const routing of randomTrace(random, shape, 200)) {
    const history = histories[routing.layer] ?? [];
    const fourth = [...routing.probabilities].sort((a, b) => b - a)[3] ?? 0;
    history.push([...routing.probabilities].map((p) => (p >= fourth ? p : 0)));
    const score = (key: number) =>
      history.reduce((sum, top, t) => sum + (top[key % 12] ?? 0) * 0.5 ** (history.length - t), 0);
    const needed = [...routing.experts].map((expert) => routing.layer * 12 + expert);
    const before = new Set(driver.resident[routing.layer]);
    for (const { kind, key } of driver.request(routing)) {
      if (kind !== "evict") continue;
      before.delete(key);
      const others = [...before].filter((held) => !needed.includes(held)).map(score);
      expect(score(key)).toBeLessThanOrEqual(Math.min(...others) + 1e-12);
      evictions++;
    }
  }
  expect(evictions).toBeGreaterThan(100);
});
