import { createPrng } from "@fmlab/sim";
import { expect, it } from "vitest";
import { rankExperts } from "../../src/predictors/rank-experts.ts";

it("ranks as sorting all scores does, ties by number, NaN last", () => {
  const random = createPrng(97, "rank");
  for (let i = 0; i < 2000; i++) {
    const scores = Float32Array.from({ length: 1 + random.nextInt(12) }, () =>
      random.chance(0.1) ? Number.NaN : random.nextInt(6) - 3,
    );
    const count = random.nextInt(14);
    const out = new Int32Array(14).fill(-1);
    const value = (expert: number) => {
      const score = scores[expert] ?? 0;
      return Number.isNaN(score) ? Number.NEGATIVE_INFINITY : score;
    };
    const sorted = [...scores.keys()].sort((a, b) => value(b) - value(a) || a - b);
    const expected = sorted.slice(0, count);
    expect(rankExperts(scores, count, out)).toBe(expected.length);
    expect([...out]).toEqual([...expected, ...new Array(14 - expected.length).fill(-1)]);
  }
});
