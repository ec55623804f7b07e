import { createPrng } from "@fmlab/sim";
import { describe, expect, it } from "vitest";
import { planMigration, type SiteDemand } from "../../src/adapt/migration.ts";
import { networkOfRtt } from "../../src/network/network.ts";
import { ClusterView } from "../../src/simulator/cluster-view.ts";
import { PLAIN_FUNCTION, PLAIN_NODE } from "../../src/simulator/specs.ts";

const siteNames = ["a", "b", "c"];
const rttMs = siteNames.map((from) => siteNames.map((to) => (from === to ? 0 : 100)));
const network = networkOfRtt({ siteNames, rttMs });

function cluster(): ClusterView {
  const nodes = ["a0", "b0", "c0"].map((name, site) => ({
    ...PLAIN_NODE,
    name,
    site,
    memoryMb: 1000,
  }));
  const fn = { ...PLAIN_FUNCTION, name: "f", memoryMb: 300, coldStartMs: 500, imageMb: 100 };
  const view = new ClusterView(nodes, [fn], network);
  view.warm[0] = 1;
  return view;
}

const OPTIONS = { horizonMs: 60_000, movesMax: 10, allows: () => true };
const fromB = (ratePerSecond: number): SiteDemand[] => [
  { functionIndex: 0, site: 1, ratePerSecond },
];

describe("migration", () => {
  it("moves a replica to where its users went, when that is worth its start and image", () => {
    // 100 ms less for 60 requests, against 500 ms and 800 ms.
    expect(planMigration(cluster(), fromB(1), OPTIONS)).toEqual([
      { functionIndex: 0, from: 0, to: 1, gainMs: 6000, costMs: 1300 },
    ]);
    expect(planMigration(cluster(), fromB(0.2), OPTIONS)).toEqual([]);
  });

  it("leaves a lost node, and never moves to one that is down, full or forbidden", () => {
    const view = cluster();
    view.up[0] = 0;
    const near = [{ functionIndex: 0, site: 0, ratePerSecond: 1 }];
    expect(planMigration(view, near, OPTIONS)[0]).toMatchObject({ from: 0, to: 1 });
    view.memoryUsedMb[1] = 800;
    expect(planMigration(view, near, OPTIONS)[0]?.to).toBe(2);
    const allows = (_: number, node: number) => node !== 2;
    expect(planMigration(view, near, { ...OPTIONS, allows })).toEqual([]);
  });

  it("wins more than it costs with every move, over random clusters", () => {
    for (let seed = 0; seed < 100; seed++) {
      const prng = createPrng(seed);
      const view = cluster();
      for (let node = 0; node < 3; node++) {
        view.warm[node] = prng.nextInt(2);
        view.up[node] = prng.chance(0.8) ? 1 : 0;
        view.memoryUsedMb[node] = prng.nextInt(1000);
      }
      const demand = [0, 1, 2].map((site) => ({
        functionIndex: 0,
        site,
        ratePerSecond: prng.nextFloat(),
      }));
      for (const { from, to, gainMs, costMs } of planMigration(view, demand, OPTIONS)) {
        expect(gainMs).toBeGreaterThan(costMs);
        expect(view.warmCount(from, 0)).toBe(1);
        expect([view.up[to], view.warmCount(to, 0)]).toEqual([1, 0]);
        expect((view.memoryUsedMb[to] as number) + 300).toBeLessThanOrEqual(1000);
      }
    }
  });
});
