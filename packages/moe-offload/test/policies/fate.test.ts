import { describe, expect, it } from "vitest";
import { fate, shallowShares } from "../../src/policies/fate.ts";
import type { Allocation } from "../../src/policies/policy.ts";
import { NaiveDriver } from "./naive-driver.ts";
import { shapeOf } from "./random-trace.ts";

function allocated(...args: Parameters<typeof fate.allocate>): Allocation {
  const allocation = fate.allocate(...args);
  if (typeof allocation === "number") expect.unreachable(`needs ${allocation} slots`);
  return allocation;
}

describe("Fate's allocation", () => {
  /** Qwen1.5-MoE, 24 layers of 60 experts: what the release computes for 6, 7, 8, 10, 12 GB. */
  it.each([
    [158, [60, 60, 38, 0, 0, 0]],
    [356, [60, 60, 60, 60, 5, 5]],
    [555, [60, 60, 60, 60, 15, 15]],
    [952, [60, 60, 60, 60, 35, 35]],
    [1349, [60, 60, 60, 60, 55, 55]],
  ])("shares %i slots out as the worked example of Qwen1.5-MoE", (slotCount, first) => {
    const shares = shallowShares(shapeOf(24, 60, 4), slotCount);
    expect(shares.slice(0, 6)).toEqual(first);
    expect(shares.slice(6)).toEqual(new Array(18).fill(first[5]));
  });

  it("changes its rule exactly at four full layers", () => {
    const shape = shapeOf(8, 10, 2);
    expect(shallowShares(shape, 39)).toEqual([10, 10, 10, 9, 0, 0, 0, 0]);
    expect(shallowShares(shape, 40)).toEqual([10, 10, 10, 10, 0, 0, 0, 0]);
    expect(shallowShares(shape, 43)).toEqual([10, 10, 10, 10, 0, 0, 0, 0]);
    expect(shallowShares(shape, 44)).toEqual([10, 10, 10, 10, 1, 1, 1, 1]);
    expect(shallowShares(shape, 0)).toEqual(new Array(8).fill(0));
    expect(shallowShares(shape, 500)).toEqual(new Array(8).fill(10));
  });

  it("counts shallow layers from the first with experts, as for DeepSeek", () => {
    const shares = shallowShares(shapeOf(28, 64, 6, 1), 4 * 64 + 23 * 7);
    expect(shares.slice(0, 6)).toEqual([0, 64, 64, 64, 64, 7]);
    expect(shares.slice(6)).toEqual(new Array(22).fill(7));
  });

  it("copes with models of fewer than four layers", () => {
    expect(shallowShares(shapeOf(3, 8, 2), 20)).toEqual([8, 8, 4]);
    expect(shallowShares(shapeOf(3, 8, 2), 24)).toEqual([8, 8, 8]);
    expect(shallowShares(shapeOf(5, 8, 2), 38)).toEqual([8, 8, 8, 8, 6]);
  });

  it("takes staging off first: for prefetches, and where a layer holds too few for a token", () => {
    const shape = shapeOf(8, 32, 4);
    // Half of the shipped model: four full layers and none deeper; less staging, three.
    expect(allocated(shape, 128, 0)).toMatchObject({
      slots: [32, 32, 32, 28, 0, 0, 0, 0],
      staging: 4,
    });
    expect(allocated(shape, 144, 0)).toMatchObject({ staging: 0 });
    expect(allocated(shape, 192, 2)).toMatchObject({
      slots: [32, 32, 32, 32, 14, 14, 14, 14],
      staging: 6,
    });
  });
});

describe("fate", () => {
  const shape = shapeOf(2, 6, 2);
  const allocation = { slots: [3, 2], isShared: false, staging: 4 };
  const probabilities = new Float32Array(6).fill(1 / 6);
  const request = (token: number, layer: number, experts: number[]) => ({
    layer,
    token,
    position: token,
    experts: Int32Array.from(experts),
    probabilities,
    ahead: [],
  });

  it("begins with experts 0, 1, .. in every layer", () => {
    const driver = new NaiveDriver(fate, { shape, allocation });
    expect(driver.resident.map((region) => [...region])).toEqual([
      [0, 1, 2],
      [6, 7],
    ]);
  });

  it("keeps every routed expert, a prefetched one only when it is used", () => {
    const driver = new NaiveDriver(fate, { shape, allocation });
    driver.request(request(0, 0, [0, 1]));
    expect(driver.prefetch(9)).toEqual([{ kind: "stage", key: 9 }]);
    expect(driver.prefetch(10)).toEqual([{ kind: "stage", key: 10 }]);
    const events = driver.request(request(0, 1, [3, 5]));
    expect(events.slice(0, 2)).toEqual([
      { kind: "hit", key: 9 },
      { kind: "load", key: 11 },
    ]);
    expect([...(driver.resident[1] ?? [])]).toEqual([9, 11]);
    expect([...driver.waiting]).toEqual([]);
  });
});
