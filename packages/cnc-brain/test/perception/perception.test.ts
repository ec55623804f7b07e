import { createPrng } from "@fmlab/sim";
import { describe, expect, it } from "vitest";
import { fixedRttNetwork } from "../../src/network/network.ts";
import { ConformalIntervals } from "../../src/perception/conformal.ts";
import { DemandTracker } from "../../src/perception/demand.ts";
import {
  evaluateForecast,
  mape,
  newsvendorQuantile,
  wape,
} from "../../src/perception/evaluate-forecast.ts";
import { histogramForecast } from "../../src/perception/histogram-forecast.ts";
import { holtWinters } from "../../src/perception/holt-winters.ts";
import { learnedForecast } from "../../src/perception/learned-forecast.ts";
import { FORECASTER_NAMES } from "../../src/perception/names.ts";
import { createForecaster } from "../../src/perception/registry.ts";
import { applySnapshot, snapshotCost, snapshotOf } from "../../src/perception/snapshot.ts";
import { coverageOfTrace } from "../../src/perception/trace-coverage.ts";
import { leastConnections } from "../../src/scheduling/least-connections.ts";
import { ClusterView } from "../../src/simulator/cluster-view.ts";
import { simulate } from "../../src/simulator/simulate.ts";
import { plainCluster, plainFunction, plainNode, poissonTrace } from "../simulator/workloads.ts";

describe("Holt and Winters", () => {
  it("forecast a straight line with a season exactly once they have seen two seasons", () => {
    const value = (t: number) => 100 + 2 * t + ([0, 10, -5, -5][t % 4] ?? 0);
    const model = holtWinters({ season: 4, damping: 1 });
    for (let t = 0; t < 60; t++) {
      if (t >= 8) expect(model.predict()).toBeCloseTo(value(t), 6);
      model.observe(value(t));
    }
  });

  it("have the textbook's recursion: Holt's linear method by hand", () => {
    const series = [10, 12, 15, 14, 18, 21];
    const model = holtWinters({ alpha: 0.5, beta: 0.4, damping: 1, season: 0 });
    let [level, trend] = [12, 2];
    series.forEach((y, t) => {
      if (t >= 2) {
        expect(model.predict()).toBeCloseTo(level + trend, 9);
        const before = level;
        level = 0.5 * y + 0.5 * (level + trend);
        trend = 0.4 * (level - before) + 0.6 * trend;
      }
      model.observe(y);
    });
  });
});

describe("the coverage of a trace", () => {
  it("is near what was wanted for busy functions, and unknown for none or too short a time", () => {
    const trace = poissonTrace(createPrng(4), 6000, 1000, () => 1);
    const coverage = coverageOfTrace(trace, 1);
    expect(coverage?.wanted).toBe(0.9);
    expect(Math.abs((coverage?.found ?? 0) - 0.9)).toBeLessThan(0.03);
    expect(
      coverageOfTrace(
        poissonTrace(createPrng(4), 50, 1000, () => 1),
        1,
      ),
    ).toBeUndefined();
    expect(
      coverageOfTrace(
        poissonTrace(createPrng(4), 20, 90_000, () => 1),
        1,
      ),
    ).toBeUndefined();
  });
});

describe("forecasters", () => {
  it.each(FORECASTER_NAMES)("%s never looks ahead, and follows a constant", (name) => {
    const a = createForecaster(name, 5);
    const b = createForecaster(name, 5);
    const prng = createPrng(1);
    for (let t = 0; t < 50; t++) {
      const value = prng.nextInt(20);
      a.observe(value);
      b.observe(value);
      expect(a.predict()).toBe(b.predict());
    }
    for (let t = 0; t < 400; t++) a.observe(7);
    expect(a.predict()).toBeCloseTo(7, 1);
  });

  it("are refused by names that do not exist", () => {
    expect(() => createForecaster("magic", 1)).toThrowError(/no forecaster "magic"/);
  });

  it("that learn begin as the moving average and find what comes back every other time", () => {
    const learned = learnedForecast(0);
    const average = createForecaster("moving-average", 0);
    const errors = { early: 0, late: 0, average: 0 };
    for (let t = 0; t < 400; t++) {
      const value = t % 2 === 0 ? 20 : 2;
      if (t < 2) expect(learned.predict()).toBeCloseTo(average.predict(), 9);
      if (t >= 20 && t < 60) errors.early += Math.abs(learned.predict() - value) / 40;
      if (t >= 300) errors.late += Math.abs(learned.predict() - value) / 100;
      if (t >= 300) errors.average += Math.abs(average.predict() - value) / 100;
      learned.observe(value);
      average.observe(value);
    }
    expect(errors.average).toBeCloseTo(9, 6);
    expect(errors.late).toBeLessThan(0.5);
    expect(errors.late).toBeLessThan(errors.early);
  });

  it("that learn stay finite through silence, bursts and a season", () => {
    for (const season of [0, 7]) {
      const learned = learnedForecast(season);
      const prng = createPrng(season);
      for (let t = 0; t < 5000; t++) {
        expect(Number.isFinite(learned.predict())).toBe(true);
        learned.observe(t % 1500 < 1400 ? 0 : prng.nextInt(10_000));
      }
      expect(learned.predict()).toBeLessThan(20_000);
    }
  });

  it("of the histogram kind have the window's own quantiles", () => {
    const forecast = histogramForecast(4);
    for (const value of [100, 1, 2, 3, 4]) forecast.observe(value);
    expect([0.25, 0.5, 1].map((p) => forecast.quantile(p))).toEqual([1, 2, 4]);
    expect(forecast.predict()).toBe(2.5);
  });
});

describe("conformal intervals", () => {
  const coverageOf = (values: number[], step: number) => {
    const intervals = new ConformalIntervals({ coverage: 0.9, step, window: 300 });
    let covered = 0;
    let counted = 0;
    values.forEach((value, t) => {
      const { low, high } = intervals.around(10);
      if (t >= 100) {
        counted++;
        if (value >= low && value <= high) covered++;
      }
      intervals.observe(10, value);
    });
    return covered / counted;
  };

  it("hold their share when errors are exchangeable, whatever their distribution", () => {
    const draws = [
      (p: ReturnType<typeof createPrng>) => p.normal(10, 3),
      (p: ReturnType<typeof createPrng>) => p.exponential(10),
      (p: ReturnType<typeof createPrng>) => (p.chance(0.8) ? 10 : 30 * p.nextFloat()),
    ];
    for (const draw of draws) {
      const prng = createPrng(8);
      const values = Array.from({ length: 6000 }, () => Math.max(0, draw(prng)));
      expect(Math.abs(coverageOf(values, 0) - 0.9)).toBeLessThan(0.015);
    }
  });

  it("hold it in the long run when the series shifts, if adaptive, and not if they are not", () => {
    const prng = createPrng(9);
    const values = Array.from({ length: 6000 }, (_, t) => prng.normal(10 + t / 100, 1));
    expect(coverageOf(values, 0)).toBeLessThan(0.85);
    expect(Math.abs(coverageOf(values, 0.02) - 0.9)).toBeLessThan(0.02);
  });
});

describe("scores", () => {
  it("are what their definitions say", () => {
    const series = [4, 0, 2];
    const points: number[] = [];
    const score = evaluateForecast(
      series,
      createForecaster("last-value", 1),
      { coverage: 0.5 },
      0,
      ({ predicted }) => points.push(predicted),
    );
    expect(points).toEqual([0, 4, 0]);
    expect(wape(score)).toBeCloseTo((4 + 4 + 2) / 6, 12);
    expect(mape(score)).toBeCloseTo(1, 12);
    expect(score.count).toBe(3);
  });

  it("put the newsvendor's ratio where its costs balance", () => {
    expect(newsvendorQuantile(9, 1)).toBe(0.9);
  });
});

describe("demand", () => {
  it("is each function's rate over a minute and longer", () => {
    const tracker = new DemandTracker(2);
    for (let t = 0; t < 7_200_000; t += 500) tracker.observe(1, t);
    const rates = tracker.rates(1, 7_200_000);
    expect(rates.lastMinute).toBeCloseTo(2, 1);
    expect(rates.lastQuarterHour).toBeCloseTo(2, 1);
    expect(tracker.rates(1, 7_260_000).lastMinute).toBeCloseTo(2 / Math.E, 1);
    expect(tracker.rates(0, 7_260_000).lastFiveMinutes).toBe(0);
  });
});

describe("snapshots", () => {
  it("go into another view and leave nothing out", () => {
    const nodes = [0, 1, 2].map((i) => plainNode({ memoryMb: 300 }, i));
    const functions = [plainFunction({ memoryMb: 100, coldStartMs: 20, imageMb: 5 })];
    const network = fixedRttNetwork(["here"], 0);
    let compared = 0;
    const options = plainCluster(
      nodes,
      poissonTrace(createPrng(1), 200, 8, (p) => p.exponential(20)),
      leastConnections(),
    );
    simulate({
      ...options,
      functions,
      network,
      onDecision: (_, __, view) => {
        const copy = new ClusterView(nodes, functions, network);
        const snapshot = snapshotOf(view);
        expect(applySnapshot(copy, JSON.parse(JSON.stringify(snapshot)))).toEqual([]);
        expect(snapshotOf(copy)).toEqual(snapshot);
        compared++;
      },
    });
    expect(compared).toBe(200);
  });

  it("take nodes that were not seen for down, and tell unknown ones, age and size", () => {
    const view = new ClusterView([plainNode()], [plainFunction()], fixedRttNetwork(["here"], 0));
    const other = { ...snapshotOf(view), nodes: [] };
    const ghost = { ...(snapshotOf(view).nodes[0] ?? { name: "" }), name: "ghost" };
    expect(applySnapshot(view, { ...other, nodes: [ghost as never] })).toEqual(["ghost"]);
    expect(view.up[0]).toBe(0);
    const cost = snapshotCost({ ...other, takenAtMs: 40 }, 100);
    expect(cost).toMatchObject({ stalenessMs: 60 });
    expect(cost.sizeBytes).toBe(JSON.stringify({ ...other, takenAtMs: 40 }).length);
  });
});
