import { createPrng } from "@fmlab/sim";
import { describe, expect, it } from "vitest";
import type { Routing } from "../../src/offload/routing.ts";
import { leastStale } from "../../src/policies/least-stale.ts";
import { moeInfinity } from "../../src/policies/moe-infinity.ts";
import { staticPopularity } from "../../src/policies/static.ts";
import { naiveExpected } from "../predictors/naive-activation.ts";
import { NaiveDriver } from "./naive-driver.ts";
import { randomTrace, shapeOf } from "./random-trace.ts";

/** Policies whose slots belong to no layer. */

function request(token: number, layer: number, experts: number[]): Routing {
  const probabilities = new Float32Array(4).fill(1 / 4);
  return {
    layer,
    token,
    position: token,
    experts: Int32Array.from(experts),
    probabilities,
    ahead: [],
  };
}

const evicted = (driver: NaiveDriver, routing: Routing) =>
  driver.request(routing).flatMap(({ kind, key }) => (kind === "evict" ? [key] : []));

describe("moe-infinity", () => {
  it("evicts the lowest probability x nearness, recomputed from all sequences so far", () => {
    const random = createPrng(59, "moe-infinity");
    const shape = shapeOf(4, 6, 2, 1);
    const allocation = { slots: [9], isShared: true, staging: 0 };
    const driver = new NaiveDriver(moeInfinity, { shape, allocation });
    const trace = randomTrace(random, shape, 150);
    let evictions = 0;
    trace.forEach((routing, i) => {
      const { layer } = routing;
      const expected = naiveExpected(shape, trace.slice(0, i + 1), []);
      const priority = (key: number) => {
        const of = Math.floor(key / 6);
        const row = expected.slice(of * 6, of * 6 + 6);
        const total = row.reduce((a, b) => a + b, 0);
        const distance = of > layer ? of - layer : of - layer + 3;
        return ((total > 0 ? (row[key % 6] ?? 0) / total : 0) + 1e-8) * (1 - distance / 4);
      };
      const needed = [...routing.experts].map((expert) => layer * 6 + expert);
      const before = new Set(driver.resident[0]);
      for (const key of evicted(driver, routing)) {
        before.delete(key);
        const others = [...before].filter((held) => !needed.includes(held)).map(priority);
        expect(priority(key)).toBeLessThanOrEqual(Math.min(...others));
        evictions++;
      }
    });
    expect(evictions).toBeGreaterThan(200);
  });
});

describe("least-stale", () => {
  const shape = shapeOf(3, 4, 1);

  it("evicts what this pass has not touched, of it whose layer comes last, then the oldest", () => {
    const allocation = { slots: [5], isShared: true, staging: 0 };
    const driver = new NaiveDriver(leastStale, { shape, allocation });
    for (const layer of [0, 1, 2]) driver.request(request(0, layer, [0]));
    driver.request(request(1, 0, [1]));
    driver.request(request(1, 1, [2]));
    // Held: 0/0, 1/0, 2/0 of token 0 and 0/1, 1/2 of token 1. Of the stale, layer 1 is farthest
    // from layer 2 but for layer 2 itself.
    expect(evicted(driver, request(1, 2, [3]))).toEqual([8]);
    // A new pass: all but the needed are stale, layer 0 is farthest; of 0/0 and 0/1, 0/0 is older.
    expect(evicted(driver, request(2, 0, [2]))).toEqual([0]);
    expect(evicted(driver, request(2, 1, [3]))).toEqual([4]);
    // Held: 0/1 and 1/2, 2/3 stale; 0/2 and 1/3 fresh. Layer 2's own stale expert goes first.
    expect(evicted(driver, request(2, 2, [0]))).toEqual([8 + 3]);
    expect(evicted(driver, request(3, 0, [3]))).toEqual([1]);
  });

  it("keeps a prefetched expert until its layer, and gives up layers that are done", () => {
    const allocation = { slots: [2], isShared: true, staging: 0 };
    const driver = new NaiveDriver(leastStale, { shape, allocation });
    driver.request(request(0, 0, [0]));
    driver.prefetch(8 + 3);
    expect(evicted(driver, request(0, 1, [1]))).toEqual([0]);
    expect(driver.request(request(0, 2, [3]))).toEqual([{ kind: "hit", key: 8 + 3 }]);
  });
});

describe("static", () => {
  it("holds the most popular experts of all layers from first to last", () => {
    const shape = shapeOf(2, 4, 2);
    const allocation = staticPopularity.allocate(shape, 5, 0);
    if (typeof allocation === "number") expect.unreachable();
    expect(allocation).toEqual({ slots: [3], isShared: true, staging: 2 });
    const popularity = Float64Array.of(9, 1, 7, 2, 3, 8, 7, 0);
    const driver = new NaiveDriver(staticPopularity, { shape, allocation, popularity });
    for (let token = 0; token < 5; token++) {
      driver.request(request(token, 0, [1, 2]));
      driver.request(request(token, 1, [0, 3]));
      expect([...(driver.resident[0] ?? [])]).toEqual([0, 5, 2]);
    }
    expect([driver.hits, driver.misses]).toEqual([5, 15]);
  });
});
