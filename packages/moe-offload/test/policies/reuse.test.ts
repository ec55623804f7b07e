import { createPrng } from "@fmlab/sim";
import { describe, expect, it } from "vitest";
import { defineReuse, reuse } from "../../src/policies/reuse.ts";
import { ReuseScore } from "../../src/policies/reuse-score.ts";
import { NaiveDriver } from "./naive-driver.ts";
import { randomReuseModel, randomTrace, shapeOf } from "./random-trace.ts";

describe("the reuse score", () => {
  it.each([[[]], [[0.05]], [[0.02, 0.2]]])(
    "is the formula over whole histories, rates %j",
    (rates) => {
      const random = createPrng(47, `${rates}`);
      const shape = shapeOf(4, 7, 2, 1);
      const model = randomReuseModel(random, shape, rates);
      const score = new ReuseScore(shape, model);
      const histories: number[][][] = [[], [], [], []];
      for (const routing of randomTrace(random, shape, 30)) {
        const { layer } = routing;
        score.update(routing);
        const history = histories[layer] ?? [];
        history.push([...routing.probabilities].map(Math.sqrt));
        const weights = model.weights[layer];
        const mapped = (root: number[], block: number, to: number) =>
          root.reduce((sum, r, from) => sum + r * (weights?.[(block * 7 + from) * 7 + to] ?? 0), 0);
        for (let e = 0; e < 7; e++) {
          const average = (rate: number, value: (root: number[]) => number) =>
            history.reduce((sum, root, t) => {
              return sum + rate * (1 - rate) ** (history.length - 1 - t) * value(root);
            }, 0);
          const now = history.at(-1) ?? [];
          let expected = average(0.05, (root) => root[e] ?? 0);
          if (weights !== undefined) {
            expected = (model.bias[layer]?.[e] ?? 0) + mapped(now, rates.length, e);
            rates.forEach((rate, i) => {
              expected += average(rate, (root) => mapped(root, i, e));
            });
          }
          score.refreshOne(layer * 7 + e);
          expect(score.values[layer * 7 + e]).toBeCloseTo(expected, 9);
        }
      }
    },
  );

  it("refuses a model of another shape", () => {
    const model = randomReuseModel(createPrng(1, "model"), shapeOf(2, 6, 2), [0.05]);
    expect(() => new ReuseScore(shapeOf(2, 7, 2), model)).toThrow("of this shape");
  });
});

describe("reuse", () => {
  const shape = shapeOf(1, 4, 1);
  const routing = (token: number, expert: number, probabilities: number[]) => ({
    layer: 0,
    token,
    position: token,
    experts: Int32Array.of(expert),
    probabilities: Float32Array.from(probabilities),
    ahead: [],
  });
  const script = [
    routing(0, 0, [0.9, 0.1, 0, 0]),
    routing(1, 1, [0.4, 0.6, 0, 0]),
    routing(2, 2, [0.3, 0.3, 0.4, 0]),
  ];

  it("keeps every used expert without staging, and drops the one of lowest score", () => {
    const allocation = { slots: [2], isShared: false, staging: 0 };
    const driver = new NaiveDriver(reuse, { shape, allocation });
    for (const step of script) driver.request(step);
    expect([...(driver.resident[0] ?? [])]).toEqual([0, 2]);
  });

  it("uses an expert of lowest score from staging where it may", () => {
    const declining = defineReuse("declining", true);
    const allocation = declining.allocate(shape, 3, 0);
    if (typeof allocation === "number") expect.unreachable();
    expect(allocation).toEqual({ slots: [2], isShared: false, staging: 1 });
    const driver = new NaiveDriver(declining, { shape, allocation });
    for (const step of script) driver.request(step);
    expect([...(driver.resident[0] ?? [])]).toEqual([0, 1]);
  });

  it("keeps a prefetched expert only in place of one with a lower score", () => {
    const allocation = { slots: [2], isShared: false, staging: 0 };
    const driver = new NaiveDriver(reuse, { shape, allocation });
    for (const step of script) driver.request(step);
    expect(driver.prefetch(3)).toEqual([]);
    driver.request(routing(3, 0, [0.2, 0, 0, 0.8]));
    driver.request(routing(4, 0, [0.2, 0, 0, 0.8]));
    expect(driver.prefetch(3)).toEqual([
      { kind: "evict", key: 2 },
      { kind: "admit", key: 3 },
    ]);
  });

  it("begins with the most popular experts where they are known", () => {
    const allocation = { slots: [2], isShared: false, staging: 0 };
    const popularity = Float64Array.of(1, 5, 2, 5);
    const driver = new NaiveDriver(reuse, { shape, allocation, popularity });
    expect([...(driver.resident[0] ?? [])]).toEqual([1, 3]);
  });
});
