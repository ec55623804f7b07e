import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bucketCurve } from "../src/metrics/bucket-reader.ts";

async function* inPieces(steps: number[], values: number[]) {
  for (let at = 0; at < steps.length; at += 7) {
    yield { steps: steps.slice(at, at + 7), values: values.slice(at, at + 7) };
  }
}

const curves = fc
  .array(fc.tuple(fc.nat({ max: 20 }), fc.option(fc.integer({ min: -99, max: 99 }), { freq: 6 })), {
    minLength: 1,
    maxLength: 200,
  })
  .map((moves) => {
    let x = 0;
    return moves.map(([dx, value]) => {
      x += dx;
      return { x, value: value ?? Number.NaN };
    });
  });

describe("reading a curve in buckets", () => {
  it("keeps the ends, every extreme and every count, for any curve and window", async () => {
    const window = fc.tuple(fc.nat({ max: 900 }), fc.nat({ max: 2_000 }));
    const property = fc.asyncProperty(
      curves,
      fc.integer({ min: 3, max: 40 }),
      fc.option(window),
      async (curve, buckets, shown) => {
        const range = shown ? { xMin: shown[0], xMax: shown[0] + shown[1] } : {};
        const inside = curve.filter(
          ({ x }) => x >= (range.xMin ?? 0) && x <= (range.xMax ?? Number.POSITIVE_INFINITY),
        );
        const pieces = () =>
          inPieces(
            curve.map((p) => p.x),
            curve.map((p) => p.value),
          );
        const got = await bucketCurve(pieces, range, buckets);
        const kept = inside.filter((p) => !Number.isNaN(p.value));
        expect(got.n).toBe(inside.length);
        expect(got.gaps).toBe(inside.length - kept.length);
        expect(got.points.length).toBeLessThanOrEqual(buckets);
        expect(got.points.reduce((sum, p) => sum + p.n, 0)).toBe(kept.length);
        expect(got.points[0]?.x).toBe(inside[0]?.x);
        expect(got.points.at(-1)?.x).toBe(inside.at(-1)?.x);
        const least = Math.min(...kept.map((p) => p.value));
        expect(Math.min(...got.points.flatMap((p) => p.min ?? []))).toBe(least);
        const greatest = Math.max(...kept.map((p) => p.value));
        expect(Math.max(...got.points.flatMap((p) => p.max ?? []))).toBe(greatest);
        const xs = got.points.map((p) => p.x);
        expect(xs).toEqual([...xs].sort((a, b) => a - b));
        if (got.raw) expect(got.points).toHaveLength(inside.length);
        const again = await bucketCurve(pieces, range, buckets);
        expect(again).toEqual(got);
      },
    );
    await fc.assert(property, { numRuns: 200, seed: 20261123 });
  });
});
