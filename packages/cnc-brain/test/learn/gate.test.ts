import { describe, expect, it } from "vitest";
import { gateOf, judgeCells, nearestCell } from "../../src/learn/gate.ts";
import { indexChooser, learnedScheduler } from "../../src/learn/learned-scheduler.ts";
import { HEURISTIC_INDEX } from "../../src/learn/placement-index.ts";
import { parseWeights, serialiseWeights } from "../../src/learn/policy-weights.ts";
import { runScenario } from "../../src/learn/scenario.ts";
import { ServedPolicy } from "../../src/learn/served-policy.ts";
import { judgeGrid, type TestCost } from "../../src/learn/verdict.ts";
import { minCostFlow } from "../../src/scheduling/min-cost-flow.ts";
import { randomWeights, smallScenario } from "./decisions.ts";

const rows = (cell: string, learned: number[], others: Record<string, number[]>): TestCost[] =>
  learned.map((cost, k) => ({
    cell,
    bound: 0.2,
    pricedBound: 0.1,
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

describe("a gate that goes with a policy", () => {
  const OPEN = { rttMs: 10, load: 0.9, isLearned: true, fallback: "min-cost-flow" } as const;
  const CLOSED = { rttMs: 10, load: 0.5, isLearned: false, fallback: "jsq-2" } as const;

  it("is the verdicts of the cells it was measured in, each with its round trip and load", () => {
    const verdicts = judgeCells([...rows("a", BETTER, BASELINES), ...rows("b", NOISY, BASELINES)]);
    const places = new Map([
      ["a", { rttMs: 10, load: 0.9 }],
      ["b", { rttMs: 80, load: 0.5 }],
    ]);
    expect(gateOf(verdicts, places)).toEqual([
      { rttMs: 10, load: 0.9, isLearned: true, fallback: "min-cost-flow" },
      { rttMs: 80, load: 0.5, isLearned: false, fallback: "min-cost-flow" },
    ]);
  });

  it("knows a system by the nearest cell", () => {
    const far = { ...OPEN, rttMs: 160 };
    expect(nearestCell([OPEN, CLOSED, far], { rttMs: 12, load: 0.85 })).toBe(OPEN);
    expect(nearestCell([OPEN, CLOSED, far], { rttMs: 12, load: 0.3 })).toBe(CLOSED);
    expect(nearestCell([OPEN, CLOSED, far], { rttMs: 120, load: 0.7 })).toBe(far);
    expect(nearestCell([], { rttMs: 1, load: 1 })).toBeUndefined();
  });

  it("is kept in the policy's file, and a broken one is refused", () => {
    const weights = { ...randomWeights(1), gate: [OPEN, CLOSED] };
    const text = serialiseWeights(weights);
    expect(parseWeights(text, "p.json")).toEqual(weights);
    const broken = text.replace('"fallback":"jsq-2"', '"fallback":"jsq-3"');
    expect(() => parseWeights(broken, "p.json")).toThrow(/p\.json: gate must be a list of cells/);
  });

  it("closed, lets the cell's baseline place every request, and open, the policy", () => {
    const scenario = smallScenario(4);
    const weights = randomWeights(2);
    const nodesUnder = (gate: (typeof OPEN | typeof CLOSED)[] | undefined) =>
      runScenario(
        scenario,
        learnedScheduler(new ServedPolicy(gate === undefined ? weights : { ...weights, gate })),
      ).node;
    const flow = minCostFlow(1);
    // The first round is already the fall-back's, but at the policy's pace of 1 ms.
    const closed = [{ ...CLOSED, fallback: "min-cost-flow" as const }];
    const shut = learnedScheduler(
      new ServedPolicy({ ...weights, gate: closed.map((cell) => ({ ...cell, load: 0.9 })) }),
    );
    const asked: string[] = [];
    runScenario(scenario, {
      name: "watch",
      get roundMs() {
        return shut.roundMs;
      },
      place: (request, view) => shut.place(request, view),
      placeBatch: (requests, view) => {
        const ours = shut.placeBatch(requests, view);
        asked.push(String(ours) === String(flow.placeBatch?.(requests, view)) ? "same" : "other");
        return ours;
      },
    });
    expect(asked.length).toBeGreaterThan(50);
    expect(new Set(asked)).toEqual(new Set(["same"]));
    expect(shut.roundMs).toBe(10);
    expect(nodesUnder([OPEN])).toEqual(nodesUnder(undefined));
    const plain = runScenario(scenario, learnedScheduler(indexChooser(HEURISTIC_INDEX))).node;
    expect(nodesUnder([OPEN])).not.toEqual(plain);
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
    expect(good.cells[0]?.pricedClosed).toBeCloseTo(0.1 / 0.4, 12);
    const gains = BASELINES["min-cost-flow"].map((cost, k) => cost - (BETTER[k] as number));
    expect(good.cells[0]?.gain.mean).toBeCloseTo(gains.reduce((a, b) => a + b) / 4, 12);
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
