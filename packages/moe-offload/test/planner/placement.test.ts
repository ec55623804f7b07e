import { createPrng } from "@fmlab/sim";
import { describe, expect, it } from "vitest";
import { placeExpert, placeLayer } from "../../src/planner/placement.ts";
import { solveLayerSizes } from "../../src/policies/layer-sizes.ts";

const deviceMs = (tokens: number) => 0.2 + 0.1 * tokens;

describe("what happens to an expert", () => {
  it("is to be computed where it is when it is resident, whatever else would cost", () => {
    const costs = { deviceMs, exposedMs: 0, inPlaceMs: () => 0 };
    expect(placeExpert(true, 3, costs)).toEqual({ verb: "resident", costMs: 0.5 });
  });

  it("is never in-place while no second device computes", () => {
    for (const tokens of [1, 10, 1000]) {
      expect(placeExpert(false, tokens, { deviceMs, exposedMs: 1e6 }).verb).toBe("transfer");
    }
  });

  it("turns from in-place to transfer where the two costs cross", () => {
    // 2 + 0.2 + 0.1 t < 0.5 t from t = 5.5 on.
    const costs = { deviceMs, exposedMs: 2, inPlaceMs: (tokens: number) => 0.5 * tokens };
    const verbs = [1, 5, 6, 32].map((tokens) => placeExpert(false, tokens, costs).verb);
    expect(verbs).toEqual(["in-place", "in-place", "transfer", "transfer"]);
    expect(placeExpert(false, 5, costs).costMs).toBe(2.5);
  });

  it("is told for every expert by falling use, of equals the first", () => {
    const { experts, verbs } = placeLayer(7, [3, 9, 3, 1], 2, [1, 2], { deviceMs, exposedMs: 1 });
    expect(experts).toEqual([1, 0, 2, 3]);
    expect(verbs.map(([verb]) => verb)).toEqual(["resident", "resident", "transfer", "transfer"]);
  });
});

describe("slots and residents of a placement that does not change", () => {
  it("cost as little as the best of all allocations of all experts, tried one by one", () => {
    for (let seed = 1; seed <= 12; seed++) {
      const prng = createPrng(seed, "placement");
      const layers = 3;
      const experts = 4;
      const uses = Array.from({ length: layers * experts }, () => prng.nextInt(100));
      const exposedMs = Array.from({ length: layers }, () => 0.1 + prng.nextFloat());
      const slotCount = 1 + prng.nextInt(10);
      const costOf = (resident: (key: number) => boolean) =>
        uses.reduce(
          (sum, count, key) =>
            sum + (resident(key) ? 0 : count * (exposedMs[Math.floor(key / experts)] ?? 0)),
          0,
        );
      let best = Number.POSITIVE_INFINITY;
      for (let mask = 0; mask < 2 ** uses.length; mask++) {
        if (bits(mask) <= slotCount) {
          best = Math.min(
            best,
            costOf((key) => ((mask >> key) & 1) === 1),
          );
        }
      }
      const rows = Array.from({ length: layers }, (_, layer) =>
        uses.slice(layer * experts, (layer + 1) * experts),
      );
      const missesPerToken = rows.map((row) => {
        const falling = [...row].sort((a, b) => b - a);
        return Float64Array.from({ length: experts + 1 }, (_, slots) =>
          falling.slice(slots).reduce((a, b) => a + b, 0),
        );
      });
      const shape = {
        layerCount: layers,
        expertCount: experts,
        expertUsedCount: 1,
        moeLayers: [0, 1, 2],
      };
      const slots = solveLayerSizes(shape, slotCount, 0, { missesPerToken, exposedMs });
      const kept = new Set<number>();
      rows.forEach((row, layer) => {
        const costs = { deviceMs: () => 0, exposedMs: exposedMs[layer] ?? 0 };
        const placed = placeLayer(layer, row, slots[layer] ?? 0, [1], costs);
        placed.experts.forEach((expert, rank) => {
          if (placed.verbs[rank]?.[0] === "resident") kept.add(layer * experts + expert);
        });
      });
      expect(kept.size).toBeLessThanOrEqual(slotCount);
      expect(costOf((key) => kept.has(key))).toBeCloseTo(best, 9);
    }
  });
});

function bits(mask: number): number {
  let count = 0;
  for (let rest = mask; rest > 0; rest &= rest - 1) count++;
  return count;
}
