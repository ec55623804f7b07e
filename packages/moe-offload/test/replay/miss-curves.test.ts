import { describe, expect, it } from "vitest";
import { belady } from "../../src/policies/belady.ts";
import { lru } from "../../src/policies/lru.ts";
import { TraceFuture } from "../../src/replay/future.ts";
import { countHits } from "../../src/replay/hits.ts";
import { lruMissCurves, policyMissCurves } from "../../src/replay/miss-curves.ts";
import { smallTrace } from "../traces/small-trace.ts";

describe("LRU's miss curves", () => {
  it("are what a replay finds at every size, with a warm cache and a cold one", () => {
    for (let seed = 1; seed <= 5; seed++) {
      const trace = smallTrace({ seed, tokens: 90, reuse: 0.2 * seed });
      for (const warmupTokens of [0, 30]) {
        const { missesPerToken } = lruMissCurves(trace, warmupTokens);
        expect(missesPerToken[0]).toBeUndefined();
        for (let slots = 2; slots <= 6; slots++) {
          const found = countHits(trace, { policy: lru, slotCount: 3 * slots, warmupTokens });
          trace.shape.moeLayers.forEach((layer, index) => {
            const misses = (found.uses[index] ?? 0) - (found.hits[index] ?? 0);
            const expected = misses / (90 - warmupTokens);
            expect(missesPerToken[layer]?.[slots]).toBeCloseTo(expected, 12);
          });
        }
      }
    }
  });

  it("fall from all experts of a token to first uses", () => {
    const trace = smallTrace({ tokens: 300 });
    for (const curve of lruMissCurves(trace).missesPerToken.slice(1)) {
      expect(curve?.[0]).toBe(2);
      expect(curve?.[6]).toBe(6 / 300);
      curve?.forEach((misses, slots) => {
        expect(misses).toBeLessThanOrEqual(curve[slots - 1] ?? 2);
      });
    }
  });
});

describe("a policy's miss curves", () => {
  it("are replayed where asked, straight in between, and lowest for the oracle", () => {
    const trace = smallTrace({ tokens: 150, reuse: 0.5 });
    const own = policyMissCurves(trace, lru, [2, 4]);
    const stack = lruMissCurves(trace);
    const best = policyMissCurves(trace, belady, [2, 4], { future: new TraceFuture(trace) });
    for (const layer of trace.shape.moeLayers) {
      const curve = own.missesPerToken[layer];
      const exact = stack.missesPerToken[layer];
      for (const slots of [0, 2, 4, 6])
        expect(curve?.[slots]).toBeCloseTo(exact?.[slots] ?? -1, 12);
      expect(curve?.[3]).toBeCloseTo(((exact?.[2] ?? 0) + (exact?.[4] ?? 0)) / 2, 12);
      for (const slots of [2, 4]) {
        expect(best.missesPerToken[layer]?.[slots]).toBeLessThan(exact?.[slots] ?? 0);
      }
    }
  });
});
