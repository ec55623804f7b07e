import { createPrng } from "@fmlab/sim";
import { describe, expect, it } from "vitest";
import { CorrelationTable } from "../../src/throughput/correlation-table.ts";

const SHAPE = { layerCount: 4, expertCount: 6, expertUsedCount: 3, moeLayers: [1, 2, 3] };

/** `tokens` random choices of three different experts. */
function choices(seed: number, tokens: number): Int32Array {
  const random = createPrng(seed, "choices");
  const rows = Array.from({ length: tokens }, () => random.shuffle([0, 1, 2, 3, 4, 5]).slice(0, 3));
  return Int32Array.from(rows.flat());
}

/** The published rule, token by token, over plain objects. */
function reference(
  history: { before: Int32Array; chosen: Int32Array }[],
  before: Int32Array,
  count: number,
): number[] {
  const table = new Map<string, number>();
  for (const one of history) {
    for (let token = 0; token < one.chosen.length; token += 3) {
      for (const from of one.before.slice(token, token + 3)) {
        for (const to of one.chosen.slice(token, token + 3)) {
          table.set(`${from}>${to}`, (table.get(`${from}>${to}`) ?? 0) + 1);
        }
      }
    }
  }
  const best = (values: { expert: number; value: number }[]) =>
    values
      .filter(({ value }) => value > 0)
      .sort((a, b) => b.value - a.value || a.expert - b.expert)
      .slice(0, count);
  const scores = [0, 0, 0, 0, 0, 0];
  for (let token = 0; token < before.length; token += 3) {
    for (const from of before.slice(token, token + 2)) {
      const row = scores.map((_, expert) => ({
        expert,
        value: table.get(`${from}>${expert}`) ?? 0,
      }));
      for (const { expert, value } of best(row)) scores[expert] = (scores[expert] ?? 0) + value;
    }
  }
  return best(scores.map((value, expert) => ({ expert, value }))).map(({ expert }) => expert);
}

describe("CorrelationTable", () => {
  it("predicts for a group what the published rule gives token by token", () => {
    const table = new CorrelationTable(SHAPE);
    const history: { before: Int32Array; chosen: Int32Array }[] = [];
    for (let step = 0; step < 30; step++) {
      const [before, chosen] = [choices(2 * step, 7), choices(2 * step + 1, 7)];
      for (const count of [1, 2, 3]) {
        expect(table.predict(2, before, count)).toEqual(reference(history, before, count));
      }
      table.observe(2, chosen, before);
      history.push({ before, chosen });
    }
  });

  it("goes by the first layer's own counts there, with what was known before", () => {
    const popularity = new Float64Array(24);
    popularity[6 + 4] = 2;
    const table = new CorrelationTable(SHAPE, undefined, popularity);
    expect(table.predict(1, new Int32Array(0), 2)).toEqual([4]);
    table.observe(1, Int32Array.from([1, 2, 3, 1, 2, 5, 1, 0, 5]), new Int32Array(0));
    expect(table.predict(1, new Int32Array(0), 3)).toEqual([1, 2, 4]);
  });

  it("counts predictions that some token used, and those among the most used", () => {
    const table = new CorrelationTable(SHAPE);
    table.observe(1, Int32Array.from([0, 1, 2, 0, 1, 2, 0, 1, 3]), new Int32Array(0));
    expect(table.predict(1, new Int32Array(0), 2)).toEqual([0, 1]);
    // 0 is used once, 1 not at all; 4 and 5 are the most used.
    table.observe(1, Int32Array.from([4, 5, 0, 4, 5, 2, 4, 5, 3]), new Int32Array(0));
    expect(table.accuracy(1)).toEqual({ predicted: 2, used: 1, hot: 0 });
    expect(table.accuracy()).toEqual({ predicted: 2, used: 1, hot: 0 });
  });
});
