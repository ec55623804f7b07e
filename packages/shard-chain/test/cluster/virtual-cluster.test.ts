import { describe, expect, it } from "vitest";
import { judgeLiveness } from "../../src/cluster/judge-cluster.ts";
import { RunRecorder } from "../../src/runtime/run-recorder.ts";
import { generatedWorkload } from "../../src/workloads/generated-workload.ts";
import { fittedOptions } from "../../src/workloads/generator-options.ts";
import { VirtualCluster } from "./virtual-cluster.ts";

const SMALL = { shards: 2, transactions: 36, tps: 9, blockIntervalMs: 300 } as const;

/** Runs until everything has ended; a run that needs longer than this is stuck. */
function runToTheEnd(cluster: VirtualCluster, fromMs: number, untilMs: number): void {
  for (let ms = fromMs; ms <= untilMs; ms += 1_000) {
    cluster.runUntil(ms);
    if (cluster.inFlightCount === 0) return;
  }
}

/** Every state root that was told of a block, by chain and height. */
function rootsOf({ reports, site }: VirtualCluster): Set<string>[] {
  const roots = new Map<string, Set<string>>();
  for (const { node, height, stateRoot } of reports) {
    const block = `${site.directory.seatOf(node)?.chain}/${height}`;
    roots.set(block, (roots.get(block) ?? new Set()).add(stateRoot));
  }
  return [...roots.values()];
}

describe("validators that share nothing", () => {
  it("lose no transaction of AHL on HotStuff to `kill -9`, and catch up", async () => {
    const cluster = await VirtualCluster.create(
      { ...SMALL, protocol: "ahl", consensus: "hotstuff" },
      { seed: 4, committees: 1, proposeMs: 500 },
    );
    const { topology, directory } = cluster.site;
    const victims = topology.chains.map(({ id }) => directory.nodesOf(id)[id] as number);
    for (const node of victims) {
      cluster.at(1_500, () => cluster.kill(node));
      cluster.at(4_500, () => cluster.restart(node));
    }
    runToTheEnd(cluster, 5_000, 120_000);
    expect([cluster.sentCount, cluster.inFlightCount]).toEqual([36, 0]);
    expect(rootsOf(cluster).every(({ size }) => size === 1)).toBe(true);
    for (const { id } of topology.chains) {
      const heights = directory.nodesOf(id).map((node) => cluster.heights[node] ?? 0);
      expect(Math.max(...heights) - Math.min(...heights)).toBeLessThan(8);
    }
  });

  it("keep what they owe a dead shard while all of them restart, one after another", async () => {
    const cluster = await VirtualCluster.create(
      { ...SMALL, protocol: "relay", consensus: "pbft" },
      { seed: 4, proposeMs: 500 },
    );
    const [senders = [], receivers = []] = [0, 1].map((chain) =>
      cluster.site.directory.nodesOf(chain),
    );
    for (const node of receivers) cluster.at(1_000, () => cluster.kill(node));
    senders.forEach((node, i) => {
      cluster.at(6_000 + 3_000 * i, () => cluster.kill(node));
      cluster.at(7_000 + 3_000 * i, () => cluster.restart(node));
    });
    cluster.runUntil(19_000);
    expect(cluster.inFlightCount).toBeGreaterThan(0);
    for (const node of receivers) cluster.restart(node);
    runToTheEnd(cluster, 20_000, 120_000);
    expect(cluster.inFlightCount).toBe(0);
  });
});

describe("liveness of a cluster", () => {
  const [transaction] = generatedWorkload(fittedOptions(1), 1).transactions();

  it("is broken by what is stuck, not by what there was no time for", () => {
    const recorder = new RunRecorder(new Set(), false);
    expect(judgeLiveness(recorder, true).passed).toBe(true);
    if (transaction !== undefined) recorder.arrive(transaction, 0, false);
    expect(judgeLiveness(recorder, false)).toMatchObject({ passed: true });
    expect(judgeLiveness(recorder, true)).toMatchObject({ passed: false, violationCount: 1 });
  });
});
