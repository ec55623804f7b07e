import { createPrng } from "@fmlab/sim";
import { describe, expect, it } from "vitest";
import { DemandMigrator } from "../../src/adapt/demand-migrator.ts";
import { planJobMoves } from "../../src/adapt/migration.ts";
import { networkOfRtt } from "../../src/network/network.ts";
import { latencyGreedy } from "../../src/scheduling/latency-greedy.ts";
import { ClusterView } from "../../src/simulator/cluster-view.ts";
import { simulate } from "../../src/simulator/simulate.ts";
import { traceOfRows } from "../../src/traces/invocation-trace.ts";
import { plainCluster, plainFunction, plainNode } from "../simulator/workloads.ts";

const siteNames = ["a", "b"];
const rttMs = [
  [0, 20],
  [20, 0],
];
const network = networkOfRtt({ siteNames, rttMs, accessMbps: 800 });
const OPTIONS = {
  everyMs: 10_000,
  horizonMs: 60_000,
  movesMax: 10,
  keepMs: 60_000,
  allows: () => true,
};
const job = plainFunction({
  kind: "job",
  cores: 2,
  memoryMb: 100,
  coldStartMs: 1000,
  meanDurationMs: 100_000,
});

describe("moves of long jobs", () => {
  const nodes = [
    plainNode({ cores: 2, speed: 0.4 }),
    plainNode({ cores: 4, site: 1 }, 1),
    plainNode({ cores: 2, site: 1, speed: 0.5 }, 2),
  ];
  const running = (id: number, node: number) => ({
    id,
    node,
    functionIndex: 0,
    site: 0,
    arrivalMs: 0,
    executeMs: 0,
  });
  const plan = (view: ClusterView, ...jobs: ReturnType<typeof running>[]) =>
    planJobMoves(view, jobs, { movesMax: 10, allows: () => true });

  it("go to where they end soonest, by what is left, the transfer and the start", () => {
    const view = new ClusterView(nodes, [job], network);
    view.nowMs = 50_000;
    // 20 s of 100 done; 80 s left: 200 s here, 80 there; 100 MB at 800 Mbit/s are 1 s, start 1 s.
    expect(plan(view, running(7, 0))).toEqual([
      { id: 7, from: 0, to: 1, costMs: 2000, gainMs: 200_000 - 80_000 - 2000 },
    ]);
  });

  it("count for each other: what one takes the next cannot have", () => {
    const view = new ClusterView(nodes, [job], network);
    view.coresRequested[1] = 2;
    const moves = plan(view, running(1, 0), running(2, 0));
    expect(moves.map(({ to }) => to)).toEqual([1, 2]);
  });

  it("are not made for less than they cost, or to nodes that are down or forbidden", () => {
    const view = new ClusterView(nodes, [{ ...job, memoryMb: 1e7 }], network);
    expect(plan(view, running(1, 0))).toEqual([]);
    const down = new ClusterView(nodes, [job], network);
    down.up[1] = 0;
    expect(plan(down, running(1, 0)).map(({ to }) => to)).toEqual([2]);
    const none = { movesMax: 10, allows: () => false };
    expect(planJobMoves(down, [running(1, 0)], none)).toEqual([]);
  });
});

describe("the migrator", () => {
  it("starts what a lost node had warm where its users are served best, before they ask", () => {
    const nodes = [0, 1].map((i) => plainNode({ site: i, cores: 8, memoryMb: 4000 }, i));
    const functions = Array.from({ length: 8 }, (_, i) =>
      plainFunction({ name: `f${i}`, memoryMb: 100, coldStartMs: 3000, sloMs: 500 }),
    );
    const prng = createPrng(1);
    const rows = Array.from({ length: 800 }, (_, i) => ({
      functionIndex: prng.nextInt(8),
      arrivalMs: 200 * i,
      durationMs: 50,
      site: 0,
    }));
    const play = (isMoving: boolean) => {
      const migrator = new DemandMigrator(OPTIONS);
      const trace = traceOfRows(rows);
      return simulate({
        ...plainCluster(nodes, trace, latencyGreedy()),
        functions,
        network,
        failures: [{ node: 0, atMs: 100_000, forMs: 1e9 }],
        ...(isMoving && {
          migrator,
          onDecision: (request, _, view) => migrator.observe(request, view),
        }),
      });
    };
    const coldAfter = ({ responseMs }: ReturnType<typeof simulate>) =>
      responseMs.slice(500).filter((ms) => ms > 2900).length;
    const [still, moved] = [play(false), play(true)];
    // Two of the eight functions were warm on the lost node only.
    expect(moved.migrations?.containers).toBe(2);
    expect(coldAfter(moved)).toBeLessThan(coldAfter(still));
  });

  it("brings jobs from a slow node to a faster one that has come free, and they end sooner", () => {
    const nodes = [plainNode({ cores: 2, speed: 0.4 }), plainNode({ cores: 2, site: 1 }, 1)];
    const trace = traceOfRows([
      { functionIndex: 0, arrivalMs: 0, durationMs: 100_000, site: 0 },
      { functionIndex: 1, arrivalMs: 90_000, durationMs: 10, site: 0 },
    ]);
    const functions = [job, plainFunction({ name: "f" })];
    const options = {
      ...plainCluster(nodes, trace, { name: "first", place: () => 0 }),
      functions,
      network,
      transfers: "shared" as const,
    };
    const still = simulate(options);
    const moved = simulate({ ...options, migrator: new DemandMigrator(OPTIONS) });
    expect(still.responseMs[0]).toBeCloseTo(251_000, 6);
    // Asked at 10 s: 3.6 s of work done; 1 s and half a round trip on the way, 1 s to start.
    const endMs = 10_000 + 1010 + 1000 + 96_400 + 10;
    expect(moved.responseMs[0]).toBeCloseTo(endMs, 0);
    expect(moved.migrations).toMatchObject({ jobs: 1, stateMb: 100 });
  });
});
