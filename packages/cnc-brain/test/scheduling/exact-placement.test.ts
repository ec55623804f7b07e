import { createPrng } from "@fmlab/sim";
import { describe, expect, it } from "vitest";
import { fixedRttNetwork } from "../../src/network/network.ts";
import { exactPlacement, plannedScheduler } from "../../src/scheduling/exact-placement.ts";
import { hindsightBound } from "../../src/scheduling/hindsight-bound.ts";
import { SCHEDULER_NAMES } from "../../src/scheduling/names.ts";
import { pricedBound } from "../../src/scheduling/priced-bound.ts";
import { createScheduler } from "../../src/scheduling/registry.ts";
import { ClusterView } from "../../src/simulator/cluster-view.ts";
import { traceOfRows } from "../../src/traces/invocation-trace.ts";
import { plainFunction, plainNode } from "../simulator/workloads.ts";
import { costUnder, randomSmallCase } from "./small-case.ts";

describe("the exact placement", () => {
  it("costs in the simulator what it says, and as little as the best of all placements", () => {
    for (let seed = 0; seed < 8; seed++) {
      const small = randomSmallCase(seed, 5, 3);
      const exact = exactPlacement(small);
      const planned = costUnder(small, plannedScheduler("exact", exact.nodes));
      expect(planned, `seed ${seed}`).toBeCloseTo(exact.cost, 9);
      let least = Number.POSITIVE_INFINITY;
      for (let code = 0; code < 3 ** 5; code++) {
        const nodes = [0, 1, 2, 3, 4].map((i) => Math.floor(code / 3 ** i) % 3);
        least = Math.min(least, costUnder(small, plannedScheduler("tried", nodes)));
      }
      expect(exact.cost).toBeCloseTo(least, 9);
    }
  });

  it("is no worse than any baseline and no better than the hindsight bound", () => {
    for (let seed = 20; seed < 32; seed++) {
      const small = randomSmallCase(seed, 9, 4);
      const exact = exactPlacement(small).cost;
      const view = new ClusterView(small.nodes, small.functions, small.network);
      const bound = hindsightBound(view, small.trace).placementCost * small.trace.count;
      expect(bound).toBeLessThanOrEqual(exact + 1e-9);
      for (const name of SCHEDULER_NAMES) {
        const found = costUnder(small, createScheduler(name, createPrng(seed)));
        expect(found, `${name}, seed ${seed}`).toBeGreaterThanOrEqual(exact - 1e-9);
      }
    }
  });

  it("is no better than the priced bound, which is no looser than without prices", () => {
    let tighter = 0;
    for (let seed = 40; seed < 52; seed++) {
      const small = randomSmallCase(seed, 9, 2);
      const functions = small.functions.map((fn) => ({ ...fn, coldStartMs: 0, imageMb: 0 }));
      const warm = { ...small, functions };
      const view = new ClusterView(warm.nodes, functions, warm.network);
      const last = (warm.trace.arrivalMs.at(-1) ?? 0) + 1;
      const first = warm.trace.arrivalMs[0] ?? 0;
      const priced = pricedBound(view, warm.trace, { fromMs: first, toMs: last });
      const free = hindsightBound(view, warm.trace).placementCost;
      const exact = exactPlacement(warm).cost / warm.trace.count;
      expect(priced.placementCost, `seed ${seed}`).toBeLessThanOrEqual(exact + 1e-9);
      expect(priced.placementCost).toBeGreaterThanOrEqual(free - 1e-9);
      if (priced.placementCost > free + 1e-6) tighter++;
    }
    expect(tighter).toBeGreaterThan(0);
  });

  it("leaves little to the priced bound where only few cores are fast", () => {
    // One fast core that is wanted all the time, and a slow one: half must take the slow one.
    const nodes = [plainNode({ speed: 4 }, 0), plainNode({ speed: 1 }, 1)];
    const functions = [plainFunction({ sloMs: 1000, meanDurationMs: 400 })];
    const trace = traceOfRows(
      Array.from({ length: 400 }, (_, i) => ({
        functionIndex: 0,
        arrivalMs: 75 * i,
        durationMs: 400,
      })),
    );
    const network = fixedRttNetwork(["here"], 0);
    const view = new ClusterView(nodes, functions, network);
    const window = { fromMs: 0, toMs: 30_000 };
    const free = hindsightBound(view, trace).placementCost;
    expect(free).toBeCloseTo(0.1, 9);
    // The fast core can have 300 of 400; the others pay 0.4, or put off at a loss.
    expect(pricedBound(view, trace, window).placementCost).toBeGreaterThan(0.16);
    expect(pricedBound(view, trace, window).placementCost).toBeLessThanOrEqual(0.175 + 1e-9);
  });

  it("refuses cases that it would not be exact for", () => {
    const small = randomSmallCase(1, 3, 2);
    const sites = { ...small, trace: { ...small.trace, site: Uint16Array.of(0, 1, 0) } };
    expect(() => exactPlacement(sites)).toThrowError(/one site/);
    const shared = small.nodes.map((node) => ({ ...node, discipline: "ps" as const }));
    expect(() => exactPlacement({ ...small, nodes: shared })).toThrowError(/must be fcfs/);
  });
});
