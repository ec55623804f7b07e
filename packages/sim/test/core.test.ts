import { describe, expect, it } from "vitest";
import { Core, costOf, createPrng, measureCost, Simulation } from "../src/index.ts";

describe("Core", () => {
  it("runs tasks one after another and moves its own clock by what they use", () => {
    const simulation = new Simulation();
    const core = new Core(simulation);
    const seen: [string, number][] = [];
    const task = (name: string, costMs: number) => () => {
      seen.push([name, core.nowMs()]);
      core.use(costMs);
      seen.push([`${name} done`, core.nowMs()]);
    };
    simulation.scheduleAt(10, () => core.submit(task("a", 5)));
    simulation.scheduleAt(11, () => core.submit(task("b", 1)));
    simulation.scheduleAt(12, () => core.submit(task("c", 0)));
    simulation.scheduleAt(30, () => core.submit(task("d", 2)));
    simulation.runAll();
    expect(seen).toEqual([
      ["a", 10],
      ["a done", 15],
      ["b", 15],
      ["b done", 16],
      ["c", 16],
      ["c done", 16],
      ["d", 30],
      ["d done", 32],
    ]);
    expect(core.usedMs).toBe(8);
    expect(core.waitingCount).toBe(0);
  });

  it("computes faster by its speed and goes on after a task that throws", () => {
    const simulation = new Simulation();
    const core = new Core(simulation, 4);
    const seen: number[] = [];
    simulation.scheduleAt(0, () => core.submit(() => core.use(8)));
    simulation.scheduleAt(1, () =>
      core.submit(() => {
        throw new Error("broken task");
      }),
    );
    simulation.scheduleAt(1, () => core.submit(() => seen.push(core.nowMs())));
    expect(() => simulation.runAll()).toThrow("broken task");
    simulation.runAll();
    expect(seen).toEqual([2]);
    for (const speed of [0, -1, Number.NaN]) expect(() => new Core(simulation, speed)).toThrow();
    expect(() => core.use(-1)).toThrowError(expect.objectContaining({ code: "BAD_RANGE" }));
  });

  it("makes tasks wait as Lindley's recursion says", () => {
    const simulation = new Simulation();
    const core = new Core(simulation);
    const prng = createPrng(7, "lindley");
    const waits: number[] = [];
    const expected: number[] = [];
    let atMs = 0;
    let freeMs = 0;
    for (let i = 0; i < 5_000; i++) {
      atMs += prng.exponential(10);
      const arrivalMs = atMs;
      const costMs = prng.exponential(8);
      const startMs = Math.max(arrivalMs, freeMs);
      expected.push(startMs - arrivalMs);
      freeMs = startMs + costMs;
      simulation.scheduleAt(arrivalMs, () =>
        core.submit(() => {
          waits.push(core.nowMs() - arrivalMs);
          core.use(costMs);
        }),
      );
    }
    simulation.runAll();
    expect(waits).toEqual(expected);
  });
});

describe("costs", () => {
  it("are read from the table, and an operation without a price is an error", () => {
    expect(costOf({ verify: 0.125 }, "verify", 8)).toBe(1);
    for (const operation of ["sign", "toString"]) {
      expect(() => costOf({ verify: 0.1 }, operation)).toThrowError(
        expect.objectContaining({
          failure: { code: "UNKNOWN_OPERATION", operation, known: ["verify"] },
        }),
      );
    }
  });

  it("are the fastest of the batches measured", () => {
    let nowMs = 0;
    let runs = 0;
    const run = () => {
      runs++;
      // The first batch warms up; the third of those measured is undisturbed.
      nowMs += runs > 30 && runs <= 40 ? 2 : 5;
    };
    expect(measureCost(run, { nowMs: () => nowMs }, { batches: 5, batchSize: 10 })).toBe(2);
    expect(runs).toBe(60);
  });
});
