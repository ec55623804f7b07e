import { createPrng } from "@fmlab/sim";
import { describe, expect, it } from "vitest";
import { POLICIES } from "../../src/policies/registry.ts";
import { simulateResidency } from "../../src/precision/residency-simulation.ts";
import {
  chooseUnpopular,
  LowOnMiss,
  PopularityMixture,
  type RoutedBatch,
} from "../../src/precision/rules.ts";

const SHAPE = { layerCount: 3, expertCount: 8, expertUsedCount: 2, moeLayers: [0, 1, 2] };

describe("the popularity-aware mixture", () => {
  it("walks from the least popular expert upward while the uses so far stay within the rate", () => {
    const isLow = new Uint8Array(5);
    const low = (counts: number[], rate: number) => {
      chooseUnpopular(Float64Array.from(counts), rate, isLow);
      return [...isLow].join("");
    };
    // Of 100 uses: 5, 10, 15 make 30.
    expect(low([40, 10, 5, 30, 15], 0.3)).toBe("01101");
    expect(low([40, 10, 5, 30, 15], 0.29)).toBe("01100");
    expect(low([40, 10, 5, 30, 15], 0)).toBe("00000");
    expect(low([40, 10, 5, 30, 15], 1)).toBe("11111");
    // Nobody is expected to use expert 1; of equals the lower number goes first.
    expect(low([2, 0, 2, 2, 2], 0.3)).toBe("10000");
    expect(low([2, 0, 2, 2, 2], 0.5)).toBe("10100");
  });

  it("takes the longest run of unpopular experts that the rate allows, for any counts", () => {
    const random = createPrng(11, "counts");
    for (let round = 0; round < 100; round++) {
      const counts = Float64Array.from({ length: 12 }, () => random.nextInt(9));
      const rate = random.nextFloat();
      const isLow = new Uint8Array(12);
      chooseUnpopular(counts, rate, isLow);
      const used = [...counts.keys()].filter((e) => (counts[e] ?? 0) > 0);
      const sum = (list: number[]) => list.reduce((all, e) => all + (counts[e] ?? 0), 0);
      const chosen = used.filter((e) => isLow[e] === 1);
      const others = used.filter((e) => isLow[e] === 0);
      expect(sum(chosen)).toBeLessThanOrEqual(rate * sum(used));
      const least = others.sort((a, b) => (counts[a] ?? 0) - (counts[b] ?? 0))[0];
      if (least !== undefined) {
        expect(sum(chosen) + (counts[least] ?? 0)).toBeGreaterThan(rate * sum(used));
        for (const e of chosen) expect(counts[e]).toBeLessThanOrEqual(counts[least] ?? 0);
      }
      for (const e of counts.keys()) if (counts[e] === 0) expect(isLow[e]).toBe(0);
    }
  });

  it("counts what the layer before predicts, and keeps the first layer in full precision", () => {
    const rule = new PopularityMixture(SHAPE, { high: 1, low: 2 }, 0.25);
    const tiers = new Uint8Array(8);
    // Gates ahead name experts 0 and 1 for three tokens, 1 and 2 for the fourth: counts 3, 4, 1.
    const logits = [0, 0, 0, 1].flatMap((first) =>
      Array.from({ length: 8 }, (_, e) => (e === first ? 9 : e === first + 1 ? 8 : e / 100)),
    );
    const batch = (layer: number, experts: number[], ahead: number[]): RoutedBatch => ({
      layer,
      token: 0,
      position: 0,
      tokenCount: 4,
      experts: Int32Array.from(experts),
      probabilities: new Float32Array(32),
      ahead: ahead.length > 0 ? [Float32Array.from(ahead)] : [],
    });
    rule.choose(batch(0, [0, 1, 2, 3, 4, 5, 6, 7], logits), tiers);
    expect([...tiers]).toEqual([0, 0, 0, 0, 0, 0, 0, 0]);
    // 1 use of expert 2 is within 25 % of 8; experts 3 to 7 were not predicted.
    rule.choose(batch(1, [0, 1, 2, 3, 4, 5, 6, 7], []), tiers);
    expect([...tiers]).toEqual([1, 1, 2, 1, 1, 1, 1, 1]);
    rule.choose(batch(2, [0, 1, 2, 3, 4, 5, 6, 7], []), tiers);
    expect([...tiers]).toEqual([0, 0, 0, 0, 0, 0, 0, 0]);
  });
});

describe("low precision on a miss", () => {
  it("is what an LRU list of each layer says, over a long trace", () => {
    const policy = POLICIES.lru;
    const scheduler = simulateResidency({ shape: SHAPE, policy, slotCount: 12 });
    const rule = new LowOnMiss({ scheduler, shape: SHAPE, prefetchWidth: 0 }, { high: 0, low: 1 });
    const lists: number[][] = [[], [], []];
    const random = createPrng(2, "trace");
    const tiers = new Uint8Array(2);
    let misses = 0;
    for (let token = 0; token < 200; token++) {
      for (const layer of SHAPE.moeLayers) {
        const first = random.nextInt(8);
        const experts = Int32Array.of(first, (first + 1 + random.nextInt(3)) % 8);
        const list = lists[layer] ?? [];
        const expected = [...experts].map((e) => (list.includes(e) ? 0 : 1));
        const probabilities = new Float32Array(8).fill(1 / 8);
        const routing = { layer, token, position: token, experts, probabilities, ahead: [] };
        rule.choose({ ...routing, tokenCount: 1 }, tiers);
        expect([...tiers]).toEqual(expected);
        misses += (expected[0] ?? 0) + (expected[1] ?? 0);
        for (const e of experts) {
          if (list.includes(e)) list.splice(list.indexOf(e), 1);
          list.push(e);
        }
        // Four slots a layer.
        while (list.length > 4) list.shift();
      }
    }
    expect(misses).toBeGreaterThan(150);
    expect(misses).toBe(scheduler.counts.demanded);
  });

  it("spares experts that the gate of the layer before named among its likeliest", () => {
    const policy = POLICIES["on-demand"];
    const shape = SHAPE;
    const prefetchWidth = 3;
    const scheduler = simulateResidency({ shape, policy, slotCount: 5, prefetchWidth });
    const rule = new LowOnMiss({ scheduler, shape, prefetchWidth }, { high: 0, low: 1 });
    const random = createPrng(3, "trace");
    const tiers = new Uint8Array(2);
    let named: number[] = [];
    let spared = 0;
    for (let token = 0; token < 50; token++) {
      for (const layer of SHAPE.moeLayers) {
        const first = random.nextInt(8);
        const experts = Int32Array.of(first, (first + 1 + random.nextInt(7)) % 8);
        const logits = Float32Array.from({ length: 8 }, () => random.nextFloat());
        const probabilities = new Float32Array(8).fill(1 / 8);
        const ahead = layer < 2 ? [logits] : [];
        const routing = { layer, token, position: token, experts, probabilities, ahead };
        const expected = [...experts].map((e) => (layer > 0 && named.includes(e) ? 0 : 1));
        rule.choose({ ...routing, tokenCount: 1 }, tiers);
        expect([...tiers]).toEqual(expected);
        spared += 2 - (expected[0] ?? 0) - (expected[1] ?? 0);
        const order = [...logits.keys()].sort((a, b) => (logits[b] ?? 0) - (logits[a] ?? 0));
        named = order.slice(0, 3);
      }
    }
    expect(spared).toBeGreaterThan(20);
  });

  it("refuses a budget that is too small for the policy", () => {
    const request = { shape: SHAPE, policy: POLICIES.lru, slotCount: 1 };
    expect(() => simulateResidency(request)).toThrow(/needs at least 2/);
  });
});
