import { createPrng } from "@fmlab/sim";
import { describe, expect, it } from "vitest";
import { fixedRttNetwork, networkOfRtt } from "../../src/network/network.ts";
import { leastConnections } from "../../src/scheduling/least-connections.ts";
import type { Scheduler } from "../../src/scheduling/scheduler.ts";
import type { ClusterView } from "../../src/simulator/cluster-view.ts";
import type { Migration, Migrator } from "../../src/simulator/migrator.ts";
import { simulate } from "../../src/simulator/simulate.ts";
import { traceOfRows } from "../../src/traces/invocation-trace.ts";
import { plainCluster, plainFunction, plainNode, poissonTrace } from "./workloads.ts";

/** 80 Mbit/s are 10 KB a millisecond; 40 ms there and back. */
const network = networkOfRtt({
  siteNames: ["a", "b"],
  rttMs: [
    [0, 40],
    [40, 0],
  ],
  accessMbps: 80,
});
const nodes = [plainNode({ speed: 0.5, cores: 2 }), plainNode({ site: 1, cores: 2 }, 1)];
const onNode = (node: number): Scheduler => ({ name: "one", place: () => node });
const job = plainFunction({ kind: "job", memoryMb: 5, coldStartMs: 30, checkpointMs: 20 });
const rows = (...durations: number[]) =>
  traceOfRows(
    durations.map((durationMs, i) => ({ functionIndex: 0, arrivalMs: 0, durationMs, site: i % 1 })),
  );
/** The same moves at its first time, none later. */
function once(everyMs: number, ...moves: Migration[]): Migrator {
  let left = 1;
  return { everyMs, plan: () => (left-- > 0 ? moves : []) };
}

describe("a job that moves", () => {
  const options = {
    ...plainCluster(nodes, rows(1000), onNode(0)),
    functions: [job],
    network,
  };

  it("takes its work and its memory along, to the millisecond", () => {
    const migrator = once(130, { kind: "job", id: 0, to: 1 });
    const result = simulate({ ...options, migrator });
    // Starts at 30; by 130 it has done 50 of 1000. 5 MB take 500 + 20 ms, the start 30, the
    // answer 20 from there.
    expect(result.responseMs[0]).toBe(130 + 520 + 30 + 950 + 20);
    expect(result.node[0]).toBe(1);
    expect(result.migrations).toEqual({
      jobs: 1,
      containers: 0,
      stateMb: 5,
      pulls: 1,
      stoppedMs: 520,
      refused: 0,
    });
    expect(simulate(options).responseMs[0]).toBe(30 + 2000);
  });

  it("shares the network with others that move, max-min fair", () => {
    const migrator = once(130, { kind: "job", id: 0, to: 1 }, { kind: "job", id: 1, to: 1 });
    const trace = rows(1000, 1000);
    const result = simulate({ ...options, trace, migrator, transfers: "shared" });
    expect(result.migrations?.stoppedMs).toBe(2 * (1000 + 20));
    expect(result.responseMs[0]).toBe(130 + 1020 + 30 + 950 + 20);
  });

  it("runs on while its image is fetched", () => {
    const node = { ...(nodes[1] as (typeof nodes)[0]), pullMbps: 1000 };
    const migrator = once(130, { kind: "job", id: 0, to: 1 });
    const functions = [{ ...job, imageMb: 12.5 }];
    const at = { ...options, nodes: [{ ...nodes[0], pullMbps: 1e9 } as typeof node, node] };
    const result = simulate({ ...at, functions, migrator });
    // 100 ms more on the slow node: 50 of its work.
    expect(result.migrations).toMatchObject({ pulls: 1, stoppedMs: 520 });
    expect(result.responseMs[0]).toBeCloseTo(230 + 520 + 30 + 900 + 20, 2);
  });

  it("loses what it did after its last checkpoint when the new node fails under its transfer", () => {
    const migrator = once(130, { kind: "job", id: 0, to: 1 });
    const failures = [{ node: 1, atMs: 300, forMs: 1e6 }];
    const result = simulate({ ...options, migrator, failures });
    // At 650 nobody is there; back on node 0 with 1000 - 40 to do at half speed.
    expect(result.responseMs[0]).toBe(650 + 30 + 2 * 960);
    expect(result.retryCount).toBe(1);
  });

  it("does not move where it is already, to a node without room, or after its end", () => {
    const move = (to: number): Migration => ({ kind: "job", id: 0, to });
    for (const [everyMs, to] of [
      [130, 0],
      [130, 9],
      [3000, 1],
    ] as const) {
      const trace = traceOfRows([
        { functionIndex: 0, arrivalMs: 0, durationMs: 1000 },
        { functionIndex: 0, arrivalMs: 4000, durationMs: 10 },
      ]);
      const result = simulate({ ...options, trace, migrator: once(everyMs, move(to)) });
      expect(result.migrations).toMatchObject({ jobs: 0, refused: 1 });
      expect(result.responseMs[0]).toBe(2030);
    }
  });

  it("keeps what it had of shared cores", () => {
    const shared = nodes.map((node) => ({ ...node, discipline: "ps" as const, cores: 1 }));
    const trace = rows(1000, 1000);
    const functions = [{ ...job, coldStartMs: 0 }];
    const migrator = once(100, { kind: "job", id: 0, to: 1 });
    const result = simulate({ ...options, nodes: shared, trace, functions, migrator });
    // Half the speed and half of the core: 25 done; then 520 ms on the way.
    expect(result.responseMs[0]).toBeCloseTo(100 + 520 + 975 + 20, 6);
    expect(result.responseMs[1]).toBeCloseTo(100 + 2 * 975, 6);
  });
});

describe("a warm container that moves", () => {
  const fn = plainFunction({ memoryMb: 10, coldStartMs: 100, imageMb: 12.5 });
  const trace = traceOfRows([
    { functionIndex: 0, arrivalMs: 0, durationMs: 50 },
    { functionIndex: 0, arrivalMs: 5000, durationMs: 50 },
  ]);
  const follow: Scheduler = { name: "follow", place: ({ id }) => id };

  it("is started where it is wanted, image first, and ends where it was", () => {
    const warm: string[] = [];
    const result = simulate({
      ...plainCluster(nodes, trace, follow),
      functions: [fn],
      network,
      migrator: once(2000, { kind: "warm", functionIndex: 0, from: 0, to: 1, keepMs: 60_000 }),
      onDecision: (_, __, view) => warm.push(`${view.warmCount(0, 0)} ${view.warmCount(1, 0)}`),
    });
    expect(warm).toEqual(["0 0", "0 1"]);
    expect([...result.isCold]).toEqual([1, 0]);
    expect(result.migrations).toMatchObject({ containers: 1, pulls: 1, stateMb: 0 });
  });

  it("stays where there is no memory for it", () => {
    const small = [nodes[0], plainNode({ memoryMb: 9 }, 1)] as typeof nodes;
    const result = simulate({
      ...plainCluster(small, trace, onNode(0)),
      functions: [fn],
      network,
      migrator: once(2000, { kind: "warm", functionIndex: 0, from: 0, to: 1, keepMs: 60_000 }),
    });
    expect([...result.isCold]).toEqual([1, 0]);
    expect(result.migrations).toMatchObject({ containers: 0, refused: 1 });
  });
});

describe("moves at random", () => {
  it("lose no request and leave no counter behind, over random clusters and outages", () => {
    for (let seed = 0; seed < 30; seed++) {
      const prng = createPrng(seed, "moves");
      const count = 2 + prng.nextInt(4);
      const cluster = Array.from({ length: count }, (_, i) =>
        plainNode(
          {
            cores: 1 + prng.nextInt(3),
            discipline: prng.chance(0.5) ? "ps" : "fcfs",
            memoryMb: 40,
          },
          i,
        ),
      );
      const draws = prng.fork("migrator");
      const migrator: Migrator = {
        everyMs: 40,
        plan: (_, jobs) => [
          ...jobs.map(({ id }) => ({ kind: "job" as const, id, to: draws.nextInt(count) })),
          {
            kind: "warm",
            functionIndex: 1,
            from: draws.nextInt(count),
            to: draws.nextInt(count),
            keepMs: draws.nextInt(100),
          },
        ],
      };
      const trace = poissonTrace(prng, 200, 25, (p) => p.exponential(40));
      trace.functionIndex.forEach((_, i) => {
        trace.functionIndex[i] = prng.nextInt(2);
      });
      const failures = Array.from({ length: 5 }, () => ({
        node: prng.nextInt(count),
        atMs: prng.nextInt(5000),
        forMs: 1 + prng.nextInt(400),
      }));
      let seen: ClusterView | undefined;
      let moved = 0;
      const result = simulate({
        ...plainCluster(cluster, trace, leastConnections()),
        functions: [{ ...job, checkpointMs: 7 }, plainFunction({ memoryMb: 10, coldStartMs: 5 })],
        network: fixedRttNetwork(["here"], 4),
        transfers: seed % 2 === 0 ? "shared" : "fixed",
        migrator,
        failures,
        retriesMax: 1000,
        onDecision: (_, __, view) => {
          seen = view;
        },
      });
      moved += result.migrations?.jobs ?? 0;
      expect(moved, `seed ${seed}`).toBeGreaterThan(0);
      expect(
        result.responseMs.every((ms) => ms > 0),
        `seed ${seed}`,
      ).toBe(true);
      const columns = [seen?.running, seen?.queued, seen?.coresRequested, seen?.memoryRequestedMb];
      for (const column of columns) expect(column?.every((x) => x === 0)).toBe(true);
    }
  });
});
