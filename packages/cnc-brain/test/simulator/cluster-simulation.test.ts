import { createPrng } from "@fmlab/sim";
import { describe, expect, it } from "vitest";
import { fixedRttNetwork, networkOfRtt } from "../../src/network/network.ts";
import { joinShortestQueue } from "../../src/scheduling/jsq.ts";
import { leastConnections } from "../../src/scheduling/least-connections.ts";
import { roundRobin } from "../../src/scheduling/round-robin.ts";
import { QUEUE, type Scheduler } from "../../src/scheduling/scheduler.ts";
import { sparrow } from "../../src/scheduling/sparrow.ts";
import { simulate } from "../../src/simulator/simulate.ts";
import { type InvocationRow, traceOfRows } from "../../src/traces/invocation-trace.ts";
import { plainCluster, plainFunction, plainNode, poissonTrace } from "./workloads.ts";

const at = (arrivalMs: number, durationMs: number, functionIndex = 0): InvocationRow => ({
  arrivalMs,
  durationMs,
  functionIndex,
});
const one = (rows: InvocationRow[], scheduler = roundRobin()) =>
  plainCluster([plainNode()], traceOfRows(rows), scheduler);

describe("containers", () => {
  const cold = plainFunction({ coldStartMs: 100, memoryMb: 10, imageMb: 125 });
  const node = plainNode({ pullMbps: 1000, memoryMb: 20, cores: 4 });

  it("start cold once: image (125 MB at 1000 Mbit/s: 1 s), boot, then warm", () => {
    const options = { ...one([at(0, 50), at(5000, 50)]), nodes: [node], functions: [cold] };
    const { responseMs, isCold } = simulate(options);
    expect([...responseMs]).toEqual([1150, 50]);
    expect([...isCold]).toEqual([1, 0]);
  });

  it("expire to the millisecond, and boot again without fetching the image", () => {
    const options = {
      ...one([at(0, 50), at(1150 + 600_000 - 1, 50), at(1_200_000 + 5000, 50)]),
      nodes: [node],
      functions: [cold],
    };
    // The last request comes more than ten minutes after the second ended.
    expect([...simulate(options).isCold]).toEqual([1, 0, 1]);
    expect(simulate(options).responseMs[2]).toBe(150);
  });

  it("wait for memory that busy containers hold, and evict idle ones for it", () => {
    const other = { ...cold, name: "g", memoryMb: 15 };
    const options = {
      ...one([at(0, 50), at(2000, 500, 1), at(2001, 50, 0)]),
      nodes: [node],
      functions: [cold, other].map((f) => ({ ...f, imageMb: 0 })),
    };
    const result = simulate(options);
    // g evicts f's idle container; f then waits until g is done (2600), evicts it, boots anew.
    expect([...result.responseMs]).toEqual([150, 600, 2600 + 150 - 2001]);
    expect(result.containers).toMatchObject({ created: 3, evicted: 2 });
  });

  it("are replaced ahead of need when the plan says so, and count idle memory-time", () => {
    const prewarming = () => ({
      name: "test",
      onIdle: () => ({ keepMs: 0, prewarmMs: 1000, prewarmKeepMs: 500 }),
    });
    const options = {
      ...one([at(0, 50), at(1150, 50), at(5000, 50)]),
      nodes: [node],
      functions: [{ ...cold, imageMb: 0 }],
      keepAlive: prewarming,
    };
    const result = simulate(options);
    // Idle again at 150: ready at 1150, just in time; idle at 1200, ready at 2200 until 2700.
    expect([...result.isCold]).toEqual([1, 0, 1]);
    expect(result.containers).toMatchObject({ created: 4, prewarmed: 2 });
    // A replacement is idle from its start (900 after idling): 100 until used, then 600 in vain.
    expect(result.nodes[0]?.idleMemoryMbMs).toBe(10 * (100 + 600));
  });

  it("that are being started ahead make who asks early wait for the rest only", () => {
    const prewarming = () => ({
      name: "test",
      onIdle: () => ({ keepMs: 0, prewarmMs: 1000, prewarmKeepMs: 500 }),
    });
    const options = {
      ...one([at(0, 50), at(1090, 50)]),
      nodes: [node],
      functions: [{ ...cold, imageMb: 0 }],
      keepAlive: prewarming,
    };
    expect([...simulate(options).responseMs]).toEqual([150, 60 + 50]);
  });
});

describe("the network", () => {
  const far = networkOfRtt({
    siteNames: ["user", "cloud", "store"],
    rttMs: [
      [0, 40, 0],
      [40, 0, 10],
      [0, 10, 0],
    ],
    accessMbps: 80,
  });
  const rows = [at(0, 100), at(0, 100)];
  const node = plainNode({ site: 1, cores: 2 });

  it("adds half a round trip and the size each way", () => {
    const functions = [plainFunction({ requestKb: 100, responseKb: 200 })];
    const fixed = simulate({ ...one(rows), nodes: [node], functions, network: far });
    // 80 Mbit/s are 10 KB/ms: 10 + 20 + 100 + 20 + 20.
    expect([...fixed.responseMs]).toEqual([170, 170]);
    const shared = simulate({
      ...one(rows),
      nodes: [node],
      functions,
      network: far,
      transfers: "shared",
    });
    // Both transfers share the link both ways.
    expect([...shared.responseMs]).toEqual([200, 200]);
  });

  it("brings data from where it lies before the code runs", () => {
    const functions = [plainFunction({ dataSite: 2, dataKb: 50 })];
    const result = simulate({ ...one([at(0, 100)]), nodes: [node], functions, network: far });
    // 20 there, 5 to ask, 5 + 5 to fetch, 100 to run, 20 back.
    expect(result.responseMs[0]).toBe(20 + 5 + 5 + 5 + 100 + 20);
    expect(result.delayMs[0]).toBe(35);
  });
});

describe("failures", () => {
  it("send what was on the node elsewhere, to start again", () => {
    const options = {
      ...plainCluster([plainNode(), plainNode({}, 1)], traceOfRows([at(0, 100)]), roundRobin()),
      failures: [{ node: 0, atMs: 60, forMs: 1000 }],
    };
    const result = simulate(options);
    expect(result.responseMs[0]).toBe(160);
    expect(result.retryCount).toBe(1);
    expect([...result.node]).toEqual([1]);
  });

  it("cost a job only what it did after its last checkpoint", () => {
    const options = {
      ...plainCluster([plainNode(), plainNode({}, 1)], traceOfRows([at(0, 1000)]), roundRobin()),
      functions: [plainFunction({ kind: "job", checkpointMs: 100 })],
      failures: [{ node: 0, atMs: 360, forMs: 1000 }],
    };
    expect(simulate(options).responseMs[0]).toBe(360 + 700);
  });

  it("make requests wait when nothing is left, and are given up after the allowed retries", () => {
    const options = { ...one([at(0, 100)]), failures: [{ node: 0, atMs: 60, forMs: 40 }] };
    expect(simulate(options).responseMs[0]).toBe(200);
    const failures = [0, 1, 2, 3].map((k) => ({ node: 0, atMs: 60 + 100 * k, forMs: 40 }));
    const result = simulate({ ...options, failures, retriesMax: 3 });
    expect(result.responseMs[0]).toBeNaN();
    expect(result.lostCount).toBe(1);
  });

  it("lose no request and leave no counter behind, over random clusters and outages", () => {
    for (let seed = 0; seed < 40; seed++) {
      const prng = createPrng(seed, "failures");
      const nodes = Array.from({ length: 1 + prng.nextInt(5) }, (_, i) =>
        plainNode(
          {
            cores: 1 + prng.nextInt(3),
            discipline: prng.chance(0.5) ? "ps" : "fcfs",
            memoryMb: 30,
          },
          i,
        ),
      );
      const trace = poissonTrace(prng, 250, 20, (p) => p.exponential(25));
      const failures = Array.from({ length: 6 }, () => ({
        node: prng.nextInt(nodes.length),
        atMs: prng.nextInt(5000),
        forMs: 1 + prng.nextInt(500),
      }));
      const schedulers: Scheduler[] = [
        roundRobin(),
        leastConnections(),
        joinShortestQueue(prng),
        sparrow(prng, 3),
      ];
      const scheduler = schedulers[seed % 4] as Scheduler;
      let lowest = 0;
      const result = simulate({
        ...plainCluster(nodes, trace, scheduler),
        functions: [plainFunction({ memoryMb: 10, coldStartMs: 30 })],
        network: fixedRttNetwork(["here"], 4),
        failures,
        retriesMax: 100,
        onDecision: (_, __, view) => {
          lowest = Math.min(lowest, ...view.running, ...view.queued, ...view.coresRequested);
        },
      });
      expect(
        result.responseMs.every((ms) => ms > 0),
        `seed ${seed}`,
      ).toBe(true);
      expect(lowest).toBe(0);
    }
  });
});

describe("a simulation", () => {
  it("is the same to the last bit for the same seed", () => {
    const run = () => {
      const trace = poissonTrace(createPrng(1), 3000, 5, (p) => p.exponential(12));
      const nodes = [0, 1, 2].map((i) => plainNode({}, i));
      return simulate(plainCluster(nodes, trace, joinShortestQueue(createPrng(9))));
    };
    expect(run()).toEqual(run());
  });

  it("refuses a scheduler that leaves the candidates, and a function that fits nowhere", () => {
    const rogue: Scheduler = { name: "rogue", place: () => 1 };
    const nodes = [plainNode(), plainNode({ labels: { zone: "b" } }, 1)];
    const options = {
      ...plainCluster(nodes, traceOfRows([at(0, 1)]), rogue),
      admission: {
        allows: (_: number, node: number) => node === 0,
        acquire: () => true,
        release: () => {},
        turn: () => 0,
      },
    };
    expect(() => simulate(options)).toThrowError(/broke the mask: node 1 is not a candidate/);
    const tooLarge = { ...options, functions: [plainFunction({ cores: 2 })] };
    expect(() => simulate(tooLarge)).toThrowError(/f can run nowhere: none of 2 nodes/);
  });

  it("keeps requests at the gateway in order while the scheduler finds no place", () => {
    const patient: Scheduler = {
      name: "patient",
      place: (_, view) => (view.load(0) === 0 ? 0 : QUEUE),
    };
    const { responseMs } = simulate(one([at(0, 10), at(1, 10), at(2, 10)], patient));
    expect([...responseMs]).toEqual([10, 19, 28]);
  });

  it("lets other functions pass one that finds no place", () => {
    const picky: Scheduler = {
      name: "picky",
      place: ({ functionIndex }, view) => (functionIndex === 1 || view.load(0) === 0 ? 0 : QUEUE),
    };
    const options = {
      ...one([at(0, 100, 0), at(1, 50, 0), at(2, 10, 1)], picky),
      nodes: [plainNode({ cores: 2 })],
      functions: [plainFunction(), plainFunction({ name: "g" })],
    };
    expect([...simulate(options).responseMs]).toEqual([100, 149, 10]);
  });

  it("binds late: the first of two nodes with a free core takes the request", () => {
    const both: Scheduler = { name: "both", place: () => [0, 1] };
    const rows = [at(0, 100), at(0, 30), at(1, 10), at(2, 5)];
    const nodes = [plainNode(), plainNode({}, 1)];
    const result = simulate(plainCluster(nodes, traceOfRows(rows), both));
    expect([...result.node]).toEqual([0, 1, 1, 1]);
    expect([...result.responseMs]).toEqual([100, 30, 39, 43]);
  });

  it("shows the scheduler the past when snapshots are taken now and then", () => {
    const ages: number[] = [];
    const trace = traceOfRows([at(0, 10), at(30, 10), at(120, 10)]);
    const result = simulate({
      ...plainCluster([plainNode()], trace, leastConnections()),
      snapshotEveryMs: 100,
      onDecision: (_, __, view) => ages.push(view.nowMs - view.takenAtMs),
    });
    expect(ages).toEqual([0, 30, 20]);
    expect(result.snapshots.taken).toBe(2);
    expect(result.snapshots.ageMsMean).toBeCloseTo(50 / 3, 9);
  });

  it("does not count what warms it up", () => {
    const options = { ...one([at(0, 50), at(100, 50)]), warmupMs: 60 };
    const result = simulate(options);
    expect(result.countedFrom).toBe(1);
    expect(result.measuredMs).toBe(90);
    expect(result.nodes[0]?.coreMs).toBe(50);
  });
});
