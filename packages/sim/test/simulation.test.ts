import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createPrng, Simulation, VirtualClock } from "../src/index.ts";

describe("VirtualClock", () => {
  it("starts at zero and goes where it is told, never back", () => {
    const clock = new VirtualClock();
    expect(clock.nowMs()).toBe(0);
    clock.advanceTo(1.5);
    clock.advanceTo(1.5);
    expect(clock.nowMs()).toBe(1.5);
    for (const atMs of [1.49, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => clock.advanceTo(atMs)).toThrowError(
        expect.objectContaining({ failure: { code: "BAD_TIME", atMs, nowMs: 1.5 } }),
      );
    }
    expect(clock.nowMs()).toBe(1.5);
  });
});

describe("Simulation", () => {
  it("shows each action its own time and runs equal times in scheduling order", () => {
    const simulation = new Simulation();
    const seen: string[] = [];
    const note = (name: string) => () => seen.push(`${name}@${simulation.nowMs()}`);
    simulation.scheduleAt(20, note("late"));
    simulation.scheduleAt(10, () => {
      note("first")();
      simulation.scheduleAfter(0, note("child, now"));
      simulation.scheduleAfter(5, note("child, later"));
    });
    simulation.scheduleAt(10, note("second"));
    expect(simulation.runAll()).toBe(5);
    expect(seen).toEqual(["first@10", "second@10", "child, now@10", "child, later@15", "late@20"]);
    expect(simulation.nowMs()).toBe(20);
  });

  it("runs what is due up to a time, that time included, and then stands at it", () => {
    const simulation = new Simulation();
    const seen: number[] = [];
    for (const atMs of [1, 2, 3, 3.000001]) simulation.scheduleAt(atMs, () => seen.push(atMs));
    expect(simulation.runUntil(3)).toBe(3);
    expect(seen).toEqual([1, 2, 3]);
    expect(simulation.nowMs()).toBe(3);
    expect(simulation.pendingCount).toBe(1);
    expect(simulation.nextAtMs).toBe(3.000001);
    expect(simulation.runUntil(100)).toBe(1);
    expect(simulation.nowMs()).toBe(100);
    expect(simulation.runNext()).toBe(false);
  });

  it("lets an action cancel another that is due at the same time", () => {
    const simulation = new Simulation();
    const seen: string[] = [];
    simulation.scheduleAt(1, () => {
      seen.push("canceller");
      expect(simulation.cancel(victim)).toBe(true);
    });
    const victim = simulation.scheduleAt(1, () => seen.push("victim"));
    simulation.runAll();
    expect(seen).toEqual(["canceller"]);
    expect(simulation.cancel(victim)).toBe(false);
  });

  it("refuses the past, and times that are no time", () => {
    const simulation = new Simulation();
    simulation.runUntil(5);
    const act = () => undefined;
    for (const atMs of [4.9, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => simulation.scheduleAt(atMs, act)).toThrowError(/it is 5 ms now/);
      expect(() => simulation.runUntil(atMs)).toThrowError(/must be finite and not fall/);
    }
    expect(() => simulation.scheduleAfter(-1, act)).toThrowError(/it is 5 ms now/);
    expect(simulation.pendingCount).toBe(0);
  });

  it("stops events that schedule each other without end, and can go on afterwards", () => {
    const simulation = new Simulation();
    let ticks = 0;
    const tick = () => {
      ticks++;
      simulation.scheduleAfter(0, tick);
    };
    simulation.scheduleAt(1, tick);
    expect(() => simulation.runAll({ eventsMax: 500 })).toThrowError(
      expect.objectContaining({
        failure: { code: "EVENT_BUDGET_SPENT", eventsMax: 500, nowMs: 1 },
      }),
    );
    expect(ticks).toBe(500);
    expect(simulation.pendingCount).toBe(1);
  });

  it("leaves a thrown error to the caller and keeps the other actions", () => {
    const simulation = new Simulation();
    simulation.scheduleAt(1, () => {
      throw new Error("protocol broke");
    });
    simulation.scheduleAt(2, () => undefined);
    expect(() => simulation.runAll()).toThrowError("protocol broke");
    expect(simulation.runAll()).toBe(1);
  });

  it("runs any schedule as a stable sort by time would", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(20), { maxLength: 300 }), (times) => {
        const simulation = new Simulation();
        const ran: number[] = [];
        for (const [i, atMs] of times.entries()) simulation.scheduleAt(atMs, () => ran.push(i));
        simulation.runAll();
        const expected = times.map((atMs, i) => ({ atMs, i })).sort((a, b) => a.atMs - b.atMs);
        expect(ran).toEqual(expected.map((e) => e.i));
      }),
      { seed: 20261123 },
    );
  });

  it("gives an M/M/1 queue the mean wait of the closed form", () => {
    // Arrivals 0.5/ms, service 1/ms: mean time in the system 1/(1 - 0.5) = 2 ms.
    const simulation = new Simulation();
    const prng = createPrng(11);
    const [arrivals, services] = [prng.fork("arrivals"), prng.fork("services")];
    const waiting: number[] = [];
    let [served, totalMs] = [0, 0];
    const serve = () => {
      simulation.scheduleAfter(services.exponential(1), () => {
        totalMs += simulation.nowMs() - (waiting.shift() as number);
        served++;
        if (waiting.length > 0) serve();
      });
    };
    const arrive = () => {
      waiting.push(simulation.nowMs());
      if (waiting.length === 1) serve();
      simulation.scheduleAfter(arrivals.exponential(2), arrive);
    };
    simulation.scheduleAt(0, arrive);
    simulation.runUntil(400_000);
    expect(served).toBeGreaterThan(190_000);
    expect(totalMs / served).toBeCloseTo(2, 1);
  });
});
