import { describe, expect, it } from "vitest";
import { findSaturation, type LoadPoint } from "../../src/measurement/saturation.ts";

/** A system that does what it can, and less the further it is overloaded. */
const systemOf =
  (capacityTps: number) =>
  async (offeredTps: number): Promise<LoadPoint> => {
    const overload = Math.max(0, offeredTps - capacityTps);
    const goodputTps = Math.min(offeredTps, Math.max(0, capacityTps - overload / 10));
    return { offeredTps, goodputTps };
  };

describe("the search for saturation", () => {
  it("brackets the capacity from any start, within its precision", async () => {
    for (const capacity of [30, 500, 777, 4000]) {
      for (const startTps of [10, 100, 3000]) {
        const options = { startTps, maxTps: 10_000, sustainedShare: 1, precision: 0.02 };
        const found = await findSaturation(systemOf(capacity), options);
        expect(found.sustainedTps).toBeLessThanOrEqual(capacity);
        expect(found.sustainedTps * 1.02).toBeGreaterThanOrEqual(capacity * 0.999);
        expect(found.unsustainedTps ?? 0).toBeGreaterThan(capacity);
        expect(found.peakGoodputTps).toBeLessThanOrEqual(capacity);
      }
    }
  });

  it("tells when the highest load is sustained, and when none is", async () => {
    const strong = await findSaturation(systemOf(1e9), { startTps: 100, maxTps: 700 });
    expect(strong).toMatchObject({ sustainedTps: 700, unsustainedTps: undefined });
    expect(strong.points.map(({ offeredTps }) => offeredTps)).toEqual([100, 200, 400, 700]);
    const dead = await findSaturation(systemOf(0), { startTps: 100, maxTps: 700 });
    expect(dead).toMatchObject({ sustainedTps: 0, peakGoodputTps: 0 });
    await expect(findSaturation(systemOf(1), { startTps: 0, maxTps: 1 })).rejects.toThrow(
      /above 0/,
    );
  });
});
