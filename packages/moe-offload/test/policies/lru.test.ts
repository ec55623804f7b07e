import { createPrng } from "@fmlab/sim";
import { describe, expect, it } from "vitest";
import type { Routing } from "../../src/offload/routing.ts";
import { lru } from "../../src/policies/lru.ts";
import { NaiveDriver } from "./naive-driver.ts";
import { randomShape, randomTrace, shapeOf } from "./random-trace.ts";

/** One layer's request as the list of experts that had to be loaded. */
function loads(driver: NaiveDriver, routing: Routing): number[] {
  return driver.request(routing).flatMap(({ kind, key }) => (kind === "load" ? [key] : []));
}

function request(token: number, layer: number, experts: number[]): Routing {
  const probabilities = new Float32Array(8).fill(1 / 8);
  return {
    layer,
    token,
    position: token,
    experts: Int32Array.from(experts),
    probabilities,
    ahead: [],
  };
}

/** `recent`: experts by rising last use. The definition of LRU, on a list. */
function naiveLru(recent: number[], experts: number[], capacity: number): number[] {
  const absent = experts.filter((expert) => !recent.includes(expert));
  for (const _ of absent) {
    const isFull = recent.length >= capacity;
    if (isFull)
      recent.splice(
        recent.findIndex((e) => !experts.includes(e)),
        1,
      );
    recent.push(-1);
  }
  const kept = recent.filter((e) => e >= 0 && !experts.includes(e));
  recent.splice(0, recent.length, ...kept, ...experts);
  return absent;
}

describe("lru", () => {
  it("loads what a list ordered by last use does, over 300 random traces", () => {
    const random = createPrng(11, "lru");
    for (let i = 0; i < 300; i++) {
      const shape = randomShape(random);
      const { expertCount, expertUsedCount, layerCount, moeLayers } = shape;
      const perLayer = expertUsedCount + random.nextInt(expertCount - expertUsedCount + 1);
      const allocation = lru.allocate(shape, perLayer * moeLayers.length, 0);
      if (typeof allocation === "number") expect.unreachable();
      const driver = new NaiveDriver(lru, { shape, allocation });
      const recent: number[][] = Array.from({ length: layerCount }, () => []);
      for (const routing of randomTrace(random, shape, 30)) {
        const expected = naiveLru(recent[routing.layer] ?? [], [...routing.experts], perLayer);
        const base = routing.layer * expertCount;
        expect(loads(driver, routing)).toEqual(expected.map((expert) => base + expert));
      }
    }
  });

  it("counts a later expert of a token as used later, and a hit never leaves for a miss", () => {
    const allocation = { slots: [3], isShared: false, staging: 0 };
    const driver = new NaiveDriver(lru, { shape: shapeOf(1, 8, 2), allocation });
    driver.request(request(0, 0, [0, 1]));
    driver.request(request(1, 0, [2, 0]));
    expect(driver.request(request(2, 0, [5, 0]))).toContainEqual({ kind: "evict", key: 1 });
    expect(driver.request(request(3, 0, [6, 7]))).toEqual([
      { kind: "load", key: 6 },
      { kind: "load", key: 7 },
      { kind: "evict", key: 2 },
      { kind: "admit", key: 6 },
      { kind: "evict", key: 5 },
      { kind: "admit", key: 7 },
    ]);
  });

  it("counts a prefetched expert as used when it comes", () => {
    const allocation = { slots: [2, 2], isShared: false, staging: 0 };
    const driver = new NaiveDriver(lru, { shape: shapeOf(2, 8, 1), allocation });
    for (const [token, expert] of [3, 4].entries()) {
      driver.request(request(token, 0, [0]));
      driver.request(request(token, 1, [expert]));
    }
    driver.request(request(2, 0, [0]));
    driver.prefetch(8 + 5);
    expect([...(driver.resident[1] ?? [])]).toEqual([8 + 4, 8 + 5]);
    expect(driver.request(request(2, 1, [6]))).toContainEqual({ kind: "evict", key: 8 + 4 });
  });
});
