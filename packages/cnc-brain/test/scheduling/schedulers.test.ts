import { createPrng } from "@fmlab/sim";
import { describe, expect, it } from "vitest";
import { fixedKeepAlive } from "../../src/keep-alive/fixed.ts";
import { fixedRttNetwork, networkOfRtt } from "../../src/network/network.ts";
import { SCHEDULER_NAMES } from "../../src/scheduling/names.ts";
import {
  DecisionEncoder,
  NODE_FEATURES,
  PAIR_FEATURES,
} from "../../src/scheduling/node-features.ts";
import { createScheduler } from "../../src/scheduling/registry.ts";
import { type PlacementRequest, QUEUE, type Scheduler } from "../../src/scheduling/scheduler.ts";
import { ClusterView } from "../../src/simulator/cluster-view.ts";
import { simulate } from "../../src/simulator/simulate.ts";
import { summarise } from "../../src/simulator/summary.ts";
import { plainCluster, plainFunction, plainNode, poissonTrace } from "../simulator/workloads.ts";

const nodes = Array.from({ length: 6 }, (_, i) =>
  plainNode({ cores: 2, memoryMb: 512, site: i % 2 }, i),
);
const functions = [0, 1, 2].map((i) =>
  plainFunction({ name: `f-${i}`, memoryMb: 128, coldStartMs: 40, meanDurationMs: 20, imageMb: 5 }),
);
const network = networkOfRtt({
  siteNames: ["a", "b"],
  rttMs: [
    [1, 30],
    [30, 1],
  ],
});

function request(fields: Partial<PlacementRequest> = {}): PlacementRequest {
  const all = Int32Array.from(nodes.keys());
  const candidates = { mask: new Uint8Array(nodes.length).fill(1), nodes: all };
  return { id: 0, functionIndex: 0, site: 0, arrivalMs: 0, attempt: 0, candidates, ...fields };
}

function run(scheduler: Scheduler, seed: number, kinds = functions) {
  const load = 0.7;
  const prng = createPrng(seed, "workload");
  const trace = poissonTrace(prng, 1500, 20 / (12 * load), (p) => p.exponential(20));
  trace.functionIndex.forEach((_, i) => {
    trace.functionIndex[i] = prng.nextInt(3);
    trace.site[i] = prng.nextInt(2);
  });
  return simulate({ ...plainCluster(nodes, trace, scheduler), functions: kinds, network });
}

describe("every baseline", () => {
  it.each(SCHEDULER_NAMES)("%s serves all requests, the same way for the same seed", (name) => {
    const result = run(createScheduler(name, createPrng(1)), 1);
    expect(summarise(result).lostShare).toBe(0);
    expect(run(createScheduler(name, createPrng(1)), 1)).toEqual(result);
    expect(createScheduler(name, createPrng(1)).name).toBe(name);
  });

  it("ranks as theory says: two choices beat chance, knowing the network beats not knowing it", () => {
    const warm = functions.map((fn) => ({ ...fn, coldStartMs: 0, imageMb: 0 }));
    const mean = (name: string) => {
      const seeds = [1, 2, 3].map((seed) =>
        run(createScheduler(name, createPrng(seed)), seed, warm),
      );
      return seeds.reduce((sum, result) => sum + summarise(result).responseMsMean, 0) / 3;
    };
    expect(mean("jsq-2")).toBeLessThan(mean("random"));
    expect(mean("least-connections")).toBeLessThan(mean("jsq-2"));
    expect(mean("latency-greedy")).toBeLessThan(mean("least-connections"));
  });

  it("is refused by a name that does not exist", () => {
    expect(() => createScheduler("toString", createPrng(1))).toThrowError(
      /no scheduler "toString"/,
    );
  });
});

describe("single baselines", () => {
  const view = () => new ClusterView(nodes, functions, network);
  const place = (name: string, v: ClusterView, r = request()) =>
    createScheduler(name, createPrng(1)).place(r, v);

  it("round robin goes on after the last node, past those that are not allowed", () => {
    const scheduler = createScheduler("round-robin", createPrng(1));
    const some = { mask: new Uint8Array(6), nodes: Int32Array.of(1, 4) };
    const chosen = [request(), request({ candidates: some }), request({ candidates: some })];
    expect(chosen.map((r) => scheduler.place(r, view()))).toEqual([0, 1, 4]);
  });

  it("least connections counts what was sent, not only what runs", () => {
    const v = view();
    v.running.set([1, 1, 0, 1, 1, 1]);
    v.queued.set([0, 0, 3, 0, 0, 0]);
    expect(place("least-connections", v)).toBe(0);
  });

  it("latency greedy goes far once waiting near costs more than the way", () => {
    const v = view();
    expect(place("latency-greedy", v)).toBe(0);
    for (const near of [0, 2, 4]) {
      v.coresRequested[near] = 8;
      v.backlogMs[near] = 160;
    }
    expect(place("latency-greedy", v)).toBe(1);
  });

  it("Kubernetes leaves requests unplaced while nothing fits, most-allocated fills up", () => {
    const v = view();
    v.coresRequested.set([1, 1, 1, 1.5, 1, 1]);
    v.memoryRequestedMb.set([128, 128, 256, 256, 128, 128]);
    expect(place("most-allocated", v)).toBe(2);
    v.coresRequested.fill(2);
    expect(place("kubernetes", v)).toBe(QUEUE);
  });

  it("OpenWhisk keeps a function at home while there is memory", () => {
    const v = view();
    const home = place("openwhisk", v) as number;
    expect(place("openwhisk", v)).toBe(home);
    v.memoryRequestedMb[home] = 500;
    expect(place("openwhisk", v)).not.toBe(home);
  });

  it("Sparrow asks for two different nodes", () => {
    const decision = place("sparrow", view()) as number[];
    expect(new Set(decision).size).toBe(2);
  });

  it("late binding beats early binding to the same random nodes", () => {
    const trace = poissonTrace(createPrng(5), 4000, 10 / (10 * 0.8), (p) => p.exponential(10));
    const cluster = Array.from({ length: 10 }, (_, i) => plainNode({}, i));
    const mean = (name: string) => {
      const scheduler = createScheduler(name, createPrng(2));
      return summarise(simulate(plainCluster(cluster, trace, scheduler))).responseMsMean;
    };
    expect(mean("sparrow")).toBeLessThan(mean("jsq-2"));
  });

  it("min-cost flow sends the most requests, near ones near", () => {
    const scheduler = createScheduler("min-cost-flow", createPrng(1));
    const v = view();
    const batch = Array.from({ length: 14 }, (_, id) => request({ id, site: id % 2 }));
    const decisions = (scheduler.placeBatch?.(batch, v) ?? []) as number[];
    expect(decisions.filter((node) => node === QUEUE)).toHaveLength(2);
    decisions.forEach((node, i) => {
      if (node !== QUEUE) expect(node % 2).toBe(i % 2);
    });
    for (let node = 0; node < 6; node++) {
      expect(decisions.filter((d) => d === node).length).toBeLessThanOrEqual(2);
    }
  });
});

describe("features for learned policies", () => {
  it("are the same whether only changed nodes are encoded or all", () => {
    const encoder = new DecisionEncoder(nodes.length);
    let checked = 0;
    const watched: Scheduler = {
      name: "watched",
      place(r, view) {
        const kept = encoder.encode(r, view);
        const fresh = new DecisionEncoder(nodes.length).encode(r, view);
        const width = NODE_FEATURES.length + PAIR_FEATURES.length;
        expect(kept.nodes.length).toBe(nodes.length * width);
        expect(kept.nodes.every((x, i) => x === fresh.nodes[i])).toBe(true);
        expect(kept.nodes.every(Number.isFinite)).toBe(true);
        expect([...kept.request]).toEqual([...fresh.request]);
        checked++;
        return r.candidates.nodes[r.id % r.candidates.nodes.length] as number;
      },
    };
    const trace = poissonTrace(createPrng(1), 300, 3, (p) => p.exponential(20));
    simulate({
      nodes,
      functions,
      network: fixedRttNetwork(["a", "b"], 3),
      trace,
      scheduler: watched,
      keepAlive: fixedKeepAlive(),
    });
    expect(checked).toBe(300);
  });
});
