import { createPrng } from "@fmlab/sim";
import { describe, expect, it } from "vitest";
import { ForkableCluster } from "../../src/learn/forkable-cluster.ts";
import { heuristicChooser, learnedScheduler } from "../../src/learn/learned-scheduler.ts";
import { drawSmallCase } from "../../src/learn/optimum-gap.ts";
import type { Scenario } from "../../src/learn/scenario.ts";
import { timedBound } from "../../src/learn/timed-bound.ts";
import { networkOfRtt } from "../../src/network/network.ts";
import { exactPlacement } from "../../src/scheduling/exact-placement.ts";
import { pricedBound } from "../../src/scheduling/priced-bound.ts";
import { ClusterView } from "../../src/simulator/cluster-view.ts";
import { PLAIN_FUNCTION, PLAIN_NODE } from "../../src/simulator/specs.ts";
import { traceOfRows } from "../../src/traces/invocation-trace.ts";
import { smallScenario } from "./decisions.ts";

function boundsOf(scenario: Scenario): { timed: number; heuristic: number } {
  const { cluster, workload, warmupMs } = scenario;
  const scheduler = learnedScheduler(heuristicChooser);
  const run = new ForkableCluster(scenario);
  run.run((requests, view) => scheduler.placeBatch(requests, view));
  const heuristic = run.countedCost();
  const view = new ClusterView(cluster.nodes, workload.functions, cluster.network);
  const window = { fromMs: warmupMs, toMs: workload.spanMs };
  return { timed: timedBound(view, workload.trace, window, heuristic), heuristic };
}

describe("timedBound", () => {
  it("is never above the exact optimum of 40 small cases, and near it", () => {
    let [sum, optimum] = [0, 0];
    for (let seed = 0; seed < 40; seed++) {
      const small = drawSmallCase(seed);
      const nodes = small.nodes.map((node) => ({ ...node, cores: 1, speed: 1 }));
      const functions = small.functions.map((fn) => ({ ...fn, coldStartMs: 0, sloMs: 200 }));
      const crowded = { ...small, nodes, functions };
      const best = exactPlacement(crowded).cost / small.trace.count;
      const view = new ClusterView(nodes, functions, small.network);
      const bound = timedBound(view, small.trace, { fromMs: 0, toMs: 600 }, best);
      expect(bound).toBeLessThanOrEqual(best + 1e-9);
      sum += bound;
      optimum += best;
    }
    expect(sum / optimum).toBeGreaterThan(0.7);
  });

  it("finds what a burst costs: n equal requests at once on one core, in closed form", () => {
    const [n, runMs, sloMs] = [12, 100, 10_000];
    const nodes = [{ ...PLAIN_NODE, name: "n" }];
    const functions = [{ ...PLAIN_FUNCTION, name: "f", sloMs, meanDurationMs: runMs }];
    const rows = Array.from({ length: n }, () => ({
      functionIndex: 0,
      arrivalMs: 0,
      durationMs: runMs,
    }));
    const network = networkOfRtt({ siteNames: ["a"], rttMs: [[0]] });
    const view = new ClusterView(nodes, functions, network);
    // One after another: the k-th answer after k run times.
    const best = ((runMs / sloMs) * (n + 1)) / 2;
    const bound = timedBound(view, traceOfRows(rows), { fromMs: 0, toMs: 4000 }, best);
    expect(bound).toBeLessThanOrEqual(best + 1e-9);
    expect(bound).toBeGreaterThan(0.9 * best);
  });

  it("is below any run, and far above the bound that knows no time where load is a burst", () => {
    const scenario = smallScenario(1, 6, 1.2);
    const { timed, heuristic } = boundsOf(scenario);
    expect(timed).toBeLessThanOrEqual(heuristic);
    expect(timed).toBeGreaterThan(0);
    // Fifty seconds of work in one second; then nothing for a minute.
    const rows = Array.from({ length: 100 }, (_, k) => ({
      functionIndex: 0,
      arrivalMs: 10 * k,
      durationMs: 500,
    }));
    const functions = [{ ...PLAIN_FUNCTION, name: "f", sloMs: 5000, meanDurationMs: 500 }];
    const network = networkOfRtt({ siteNames: ["a"], rttMs: [[0]] });
    const view = new ClusterView([{ ...PLAIN_NODE, name: "n" }], functions, network);
    const window = { fromMs: 0, toMs: 60_000 };
    const knowing = timedBound(view, traceOfRows(rows), window, 6);
    expect(knowing).toBeGreaterThan(4 * pricedBound(view, traceOfRows(rows), window).placementCost);
  });

  it("does not depend on how many nodes are alike: two of one core are one of two", () => {
    const prng = createPrng(5);
    const rows = Array.from({ length: 60 }, () => ({
      functionIndex: 0,
      arrivalMs: prng.nextFloat() * 1000,
      durationMs: prng.exponential(80),
    }));
    const functions = [{ ...PLAIN_FUNCTION, name: "f", sloMs: 200, meanDurationMs: 80 }];
    const network = networkOfRtt({ siteNames: ["a"], rttMs: [[4]] });
    const node = { ...PLAIN_NODE, name: "n" };
    const of = (nodes: (typeof node)[]) => {
      const view = new ClusterView(nodes, functions, network);
      return timedBound(view, traceOfRows(rows), { fromMs: 0, toMs: 1000 }, 1.5);
    };
    expect(of([node, node])).toBeCloseTo(of([{ ...node, cores: 2 }]), 9);
  });
});
