import { describe, expect, it } from "vitest";
import { belady } from "../../src/policies/belady.ts";
import { lru } from "../../src/policies/lru.ts";
import type { PolicyDefinition } from "../../src/policies/policy.ts";
import { POLICIES } from "../../src/policies/registry.ts";
import { uniformTimes } from "../../src/replay/compute-times.ts";
import { TraceFuture } from "../../src/replay/future.ts";
import { countHits } from "../../src/replay/hits.ts";
import { type PolicyKnowledge, replayTrace } from "../../src/replay/replayer.ts";
import { smallTrace } from "../traces/small-trace.ts";

const causal: PolicyDefinition[] = Object.values(POLICIES).filter(
  ({ needs = [], name }) => name !== "all-resident" && needs.every((need) => need === "popularity"),
);

describe("hits without time", () => {
  it.each([...causal, belady].map((policy) => [policy.name, policy] as const))(
    "are those of the scheduler for %s",
    (_name, policy) => {
      for (let seed = 1; seed <= 4; seed++) {
        const trace = smallTrace({ seed, tokens: 80, reuse: 0.15 * seed });
        const knowledge: PolicyKnowledge = {
          popularity: Float64Array.from({ length: 24 }, (_, key) => (key * 7 + seed) % 11),
          future: new TraceFuture(trace),
        };
        const slotCount = 5 + 2 * seed;
        const { counts, layers } = replayTrace(trace, {
          policy,
          knowledge,
          slotCount,
          expertBytes: () => 1e6,
          link: { bandwidthMBps: 1e6, latencyUs: 0, queueDepth: 1 },
          times: uniformTimes(trace.shape, { attentionMs: 1, expertMs: 1, headMs: 1 }),
          readyFirst: true,
        });
        const found = countHits(trace, { policy, knowledge, slotCount });
        expect([...found.hits]).toEqual(layers.map((layer) => layer.hits));
        expect(found.hitRate).toBeCloseTo(counts.hits / counts.uses, 12);
      }
    },
  );

  it("are most for Belady with the same slots, whatever the policy", () => {
    for (let seed = 1; seed <= 6; seed++) {
      const trace = smallTrace({ seed, tokens: 120, reuse: 0.15 * seed });
      const knowledge: PolicyKnowledge = {
        popularity: new Float64Array(24).fill(1),
        future: new TraceFuture(trace),
      };
      for (const policy of causal) {
        const options = { knowledge, slotCount: 5 + 2 * seed };
        const bound: PolicyDefinition = { ...belady, allocate: policy.allocate };
        const best = countHits(trace, { ...options, policy: bound });
        const { hitRate } = countHits(trace, { ...options, policy });
        expect(hitRate, policy.name).toBeLessThanOrEqual(best.hitRate);
      }
    }
  });

  it("grow with the budget for LRU, up to all but first uses", () => {
    const trace = smallTrace({ tokens: 200 });
    const rates = [6, 9, 12, 15, 18].map(
      (slotCount) => countHits(trace, { policy: lru, slotCount }).hits,
    );
    for (let i = 1; i < rates.length; i++) {
      rates[i]?.forEach((hits, layer) => {
        expect(hits).toBeGreaterThanOrEqual(rates[i - 1]?.[layer] ?? 0);
      });
    }
    expect([...(rates.at(-1) ?? [])]).toEqual([400 - 6, 400 - 6, 400 - 6]);
  });
});

describe("the future of a trace", () => {
  it("is the first later use, whatever order it is asked in", () => {
    const trace = smallTrace({ tokens: 60 });
    const future = new TraceFuture(trace);
    const uses = (key: number, token: number) => {
      const at = (token * 3 + Math.floor(key / 6) - 1) * 2;
      return [...trace.experts.subarray(at, at + 2)].includes(key % 6);
    };
    const order = [...Array(60).keys()].flatMap((t) => [t, Math.max(-1, t - 1), (t * 17) % 60]);
    for (let key = 6; key < 24; key++) {
      for (const token of [-1, ...order]) {
        let next = token + 1;
        while (next < 60 && !uses(key, next)) next++;
        expect(future.nextUse(key, token)).toBe(next < 60 ? next : Number.POSITIVE_INFINITY);
      }
    }
    expect(future.nextUse(0, -1)).toBe(Number.POSITIVE_INFINITY);
  });
});
