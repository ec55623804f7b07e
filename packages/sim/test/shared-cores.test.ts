import { describe, expect, it } from "vitest";
import { Core, createPrng, SharedCores, Simulation } from "../src/index.ts";

describe("SharedCores", () => {
  it("runs as many nodes at once as there are cores, the others in the order they came", () => {
    const simulation = new Simulation();
    const shared = new SharedCores(simulation, 2);
    const nodes = [0, 1, 2, 3].map(() => new Core(simulation, 1, shared));
    const seen: [number, number][] = [];
    nodes.forEach((core, node) => {
      simulation.scheduleAt(node, () =>
        core.submit(() => {
          seen.push([node, core.nowMs()]);
          core.use(10);
        }),
      );
    });
    // A second task of node 0 waits behind those of nodes 2 and 3.
    simulation.scheduleAt(5, () => nodes[0]?.submit(() => seen.push([0, simulation.nowMs()])));
    simulation.runAll();
    expect(seen).toEqual([
      [0, 0],
      [1, 1],
      [2, 10],
      [3, 11],
      [0, 20],
    ]);
  });

  it("keeps one node's tasks one after another, however many cores are free", () => {
    const simulation = new Simulation();
    const core = new Core(simulation, 1, new SharedCores(simulation, 8));
    const seen: number[] = [];
    for (let i = 0; i < 3; i++) {
      simulation.scheduleAt(0, () =>
        core.submit(() => {
          seen.push(core.nowMs());
          core.use(4);
        }),
      );
    }
    simulation.runAll();
    expect(seen).toEqual([0, 4, 8]);
  });

  it("gives the core back when a task throws", () => {
    const simulation = new Simulation();
    const shared = new SharedCores(simulation, 1);
    const [broken, sound] = [new Core(simulation, 1, shared), new Core(simulation, 1, shared)];
    const seen: number[] = [];
    simulation.scheduleAt(0, () => {
      broken.submit(() => {
        throw new Error("broken task");
      });
    });
    simulation.scheduleAt(1, () => sound.submit(() => seen.push(simulation.nowMs())));
    expect(() => simulation.runAll()).toThrow("broken task");
    simulation.runAll();
    expect(seen).toEqual([1]);
  });

  it("waits as an M/M/c queue does, where a node has one task (Erlang C)", () => {
    const [cores, meanMs, gapMs, tasks] = [2, 10, 6.25, 200_000];
    const simulation = new Simulation();
    const shared = new SharedCores(simulation, cores);
    const prng = createPrng(1, "shared cores");
    let waitedMs = 0;
    const arrive = (left: number) => {
      const [arrivedMs, costMs] = [simulation.nowMs(), prng.exponential(meanMs)];
      const core = new Core(simulation, 1, shared);
      core.submit(() => {
        waitedMs += core.nowMs() - arrivedMs;
        core.use(costMs);
      });
      if (left > 1)
        simulation.scheduleAt(arrivedMs + prng.exponential(gapMs), () => arrive(left - 1));
    };
    simulation.scheduleAt(0, () => arrive(tasks));
    simulation.runAll();
    // Offered 1.6 of 2 cores: Erlang C = 32/45, mean wait = C * mean / (c - offered).
    const expectedMs = ((32 / 45) * meanMs) / (cores - meanMs / gapMs);
    expect(Math.abs(waitedMs / tasks / expectedMs - 1)).toBeLessThan(0.05);
  });

  it("refuses a machine without cores", () => {
    expect(() => new SharedCores(new Simulation(), 0)).toThrow("must be an integer >= 1");
  });
});
