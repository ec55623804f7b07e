import { describe, expect, it } from "vitest";
import { judgeCells } from "../../src/learn/gate.ts";
import { judgeGrid, type TestCost } from "../../src/learn/verdict.ts";

const rows = (cell: string, learned: number[], others: Record<string, number[]>): TestCost[] =>
  learned.map((cost, k) => ({
    cell,
    bound: 0.2,
    learned: cost,
    baselines: Object.fromEntries(
      Object.entries(others).map(([name, costs]) => [name, costs[k] as number]),
    ),
  }));

const BASELINES = { "jsq-2": [0.9, 0.8, 1, 0.7], "min-cost-flow": [0.5, 0.4, 0.6, 0.5] };
const BETTER = [0.4, 0.3, 0.49, 0.41];
const NOISY = [0.2, 0.6, 0.5, 0.6];

describe("the gate", () => {
  it("lets the policy act where its advantage over the best baseline is beyond doubt", () => {
    const [sure, noisy] = judgeCells([
      ...rows("a", BETTER, BASELINES),
      ...rows("b", NOISY, BASELINES),
    ]);
    expect(sure).toMatchObject({ cell: "a", fallback: "min-cost-flow", isLearned: true });
    expect(sure?.advantage).toBeCloseTo(0.1, 12);
    expect(noisy).toMatchObject({ cell: "b", isLearned: false });
    expect(noisy?.advantage).toBeGreaterThan(0);
  });
});

describe("judgeGrid", () => {
  it("counts a cell behind a closed gate as the baseline itself, neither worse nor closed", () => {
    const costs = rows("a", [0.9, 0.9, 0.9, 0.9], BASELINES);
    const gate = judgeCells(costs);
    const grid = judgeGrid(costs, gate);
    expect(grid.cells[0]).toMatchObject({ isLearned: false, closed: 0, p: 1, isWorse: false });
    expect(grid.cells[0]?.ungatedCost).toBeCloseTo(0.9, 12);
    expect(grid).toMatchObject({ worseCells: 0, cellsWithGap: 1, cellsClosed: 0, isMet: false });
  });

  it("finds what is closed of a gap, and a policy that got worse after the gate let it act", () => {
    const gate = judgeCells(rows("a", BETTER, BASELINES));
    const good = judgeGrid(rows("a", BETTER, BASELINES), gate);
    expect(good.cells[0]?.closed).toBeCloseTo(0.1 / 0.3, 12);
    expect(good.isMet).toBe(good.cells[0] !== undefined && good.cells[0].closed >= 1 / 3);
    const bad = judgeGrid(rows("a", [0.7, 0.61, 0.8, 0.69], BASELINES), gate);
    expect(bad).toMatchObject({ worseCells: 1, isMet: false });
  });

  it("adjusts p by Holm over the cells", () => {
    const gate = judgeCells(rows("a", BETTER, BASELINES));
    const both = [...rows("a", BETTER, BASELINES), ...rows("b", NOISY, BASELINES)];
    const { cells } = judgeGrid(both, gate);
    const least = Math.min(...cells.map(({ p }) => p));
    expect(Math.min(...cells.map(({ pHolm }) => pHolm))).toBeCloseTo(2 * least, 12);
  });
});
