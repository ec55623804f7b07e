import { createPrng } from "@fmlab/sim";
import { describe, expect, it } from "vitest";
import { solveLayerSizes } from "../../src/policies/layer-sizes.ts";
import type { MissCurves } from "../../src/policies/policy.ts";
import { reuse } from "../../src/policies/reuse.ts";
import { shapeOf } from "./random-trace.ts";

/** Waiting per token in ms with these sizes. */
function waitMs(slots: readonly number[], curves: MissCurves): number {
  return slots.reduce((sum, count, layer) => {
    return sum + (curves.exposedMs?.[layer] ?? 1) * (curves.missesPerToken[layer]?.[count] ?? 0);
  }, 0);
}

/** The least waiting that any sizes give: dynamic programming over layers and slots. */
function leastWaitMs(
  layers: readonly number[],
  slotCount: number,
  slotsMin: number,
  curves: MissCurves,
) {
  let best = new Array<number>(slotCount + 1).fill(0);
  for (const layer of layers) {
    const curve = curves.missesPerToken[layer] ?? new Float64Array(1);
    best = best.map((_, budget) => {
      let least = Number.POSITIVE_INFINITY;
      for (let own = slotsMin; own < curve.length && own <= budget; own++) {
        const wait = (curves.exposedMs?.[layer] ?? 1) * (curve[own] ?? 0);
        least = Math.min(least, wait + (best[budget - own] ?? 0));
      }
      return least;
    });
  }
  return best[slotCount] ?? 0;
}

/** Falling curves of `experts + 1` points; convex ones lose less with every slot. */
function randomCurves(random: ReturnType<typeof createPrng>, experts: number, isConvex: boolean) {
  return Array.from({ length: 4 }, (_, layer) => {
    if (layer === 0) return undefined;
    const steps = Array.from({ length: experts }, () => random.nextFloat());
    if (isConvex) steps.sort((a, b) => b - a);
    const curve = new Float64Array(experts + 1);
    for (let i = experts - 1; i >= 0; i--) curve[i] = (curve[i + 1] ?? 0) + (steps[i] ?? 0);
    return curve;
  });
}

describe("layer sizes", () => {
  const shape = shapeOf(4, 8, 2, 1);
  const random = createPrng(53, "curves");
  const randomProblem = (isConvex: boolean) => {
    const missesPerToken = randomCurves(random, 8, isConvex);
    const exposedMs = [9, random.nextFloat(), random.nextFloat(), random.nextFloat()];
    return { curves: { missesPerToken, exposedMs }, slotCount: 6 + random.nextInt(19) };
  };

  it("wait as little as the best found by dynamic programming, on convex curves", () => {
    for (let i = 0; i < 300; i++) {
      const { curves, slotCount } = randomProblem(true);
      const slots = solveLayerSizes(shape, slotCount, 2, curves);
      const least = leastWaitMs(shape.moeLayers, slotCount, 2, curves);
      expect(waitMs(slots, curves)).toBeCloseTo(least, 9);
      expect(slots.reduce((a, b) => a + b, 0)).toBe(Math.min(slotCount, 24));
      expect(slots[0]).toBe(0);
    }
  });

  it("wait at most one step of one layer longer than the best on any falling curves", () => {
    for (let i = 0; i < 300; i++) {
      const { curves, slotCount } = randomProblem(false);
      const slots = solveLayerSizes(shape, slotCount, 2, curves);
      const least = leastWaitMs(shape.moeLayers, slotCount, 2, curves);
      const steepest = Math.max(
        ...shape.moeLayers.map(
          (layer) => (curves.exposedMs[layer] ?? 0) * (curves.missesPerToken[layer]?.[2] ?? 0),
        ),
      );
      expect(waitMs(slots, curves)).toBeLessThanOrEqual(least + steepest + 1e-9);
    }
  });

  it("never wait longer with more slots", () => {
    const { curves } = randomProblem(false);
    let before = Number.POSITIVE_INFINITY;
    for (let slotCount = 6; slotCount <= 24; slotCount++) {
      const wait = waitMs(solveLayerSizes(shape, slotCount, 2, curves), curves);
      expect(wait).toBeLessThanOrEqual(before + 1e-9);
      before = wait;
    }
  });

  it("are what reuse asks for when it knows the curves", () => {
    const flat = new Float64Array(9).fill(1);
    const steep = Float64Array.from({ length: 9 }, (_, i) => 8 - i);
    const curves = { missesPerToken: [undefined, flat, steep, flat] };
    expect(reuse.allocate(shape, 12, 0, curves)).toEqual({
      slots: [0, 2, 8, 2],
      isShared: false,
      staging: 0,
    });
    expect(reuse.allocate(shape, 12, 0)).toMatchObject({ slots: [0, 4, 4, 4] });
  });
});
