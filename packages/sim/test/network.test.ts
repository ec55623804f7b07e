import { describe, expect, it } from "vitest";
import {
  createPrng,
  Network,
  type NetworkFault,
  type NetworkSettings,
  Simulation,
} from "../src/index.ts";

const TWO_REGIONS = {
  nodeRegions: [0, 0, 1, 1],
  rttMs: [
    [2, 100],
    [100, 4],
  ],
};

/** Arrival times of messages sent at given times; undefined for those that never arrive. */
function arrivals(
  settings: NetworkSettings,
  sends: [atMs: number, from: number, to: number, sizeBytes: number][],
  seed = 1,
): (number | undefined)[] {
  const simulation = new Simulation();
  const network = new Network(simulation, createPrng(seed, "network"), settings);
  const found: (number | undefined)[] = sends.map(() => undefined);
  sends.forEach(([atMs, from, to, sizeBytes], i) => {
    simulation.scheduleAt(atMs, () => {
      network.send(from, to, sizeBytes, () => {
        found[i] = simulation.nowMs();
      });
    });
  });
  simulation.runAll();
  return found;
}

describe("Network", () => {
  it("takes half a round trip between regions and within one, and none to the node itself", () => {
    const sends: [number, number, number, number][] = [
      [0, 0, 1, 10],
      [0, 0, 2, 10],
      [0, 2, 3, 10],
      [5, 3, 3, 10],
    ];
    expect(arrivals(TWO_REGIONS, sends)).toEqual([1, 50, 2, 5]);
  });

  it("queues messages at the interfaces and at the link of two regions", () => {
    const egress = { ...TWO_REGIONS, egressBytesPerMs: 100 };
    expect(
      arrivals(egress, [
        [0, 0, 1, 1_000],
        [0, 0, 1, 500],
        [12, 0, 1, 100],
      ]),
    ).toEqual([11, 16, 17]);
    const ingress = { ...TWO_REGIONS, ingressBytesPerMs: 100 };
    // The message that leaves first arrives last and queues behind the other.
    expect(
      arrivals(ingress, [
        [0, 2, 0, 1_000],
        [48, 1, 0, 1_000],
      ]),
    ).toEqual([69, 59]);
    const link = { ...TWO_REGIONS, regionLinkBytesPerMs: 10 };
    expect(
      arrivals(link, [
        [0, 0, 2, 100],
        [0, 1, 3, 100],
        [0, 2, 0, 100],
      ]),
    ).toEqual([60, 70, 60]);
  });

  it("stretches times by jitter within its bound and loses the stated share", () => {
    const many = Array.from({ length: 4_000 }, (_, i) => [i, 0, 2, 1] as [number, 0, 2, number]);
    const shares = arrivals({ ...TWO_REGIONS, jitter: 0.2 }, many).map(
      (atMs, i) => ((atMs ?? Number.NaN) - i) / 50 - 1,
    );
    expect(Math.min(...shares)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...shares)).toBeLessThan(0.2);
    const mean = shares.reduce((sum, share) => sum + share, 0) / shares.length;
    expect(Math.abs(mean - 0.1)).toBeLessThan((4 * 0.2) / Math.sqrt(12 * 4_000));
    const lost = arrivals({ ...TWO_REGIONS, lossProbability: 0.1 }, many).filter(
      (atMs) => atMs === undefined,
    );
    expect(Math.abs(lost.length - 400)).toBeLessThan(4 * Math.sqrt(4_000 * 0.09));
  });

  it("draws for each link from its own stream, whatever goes over the others", () => {
    const settings = { ...TWO_REGIONS, jitter: 0.5, lossProbability: 0.2 };
    const some = Array.from({ length: 50 }, (_, i) => [i, 0, 2, 1] as [number, 0, 2, number]);
    const alone = arrivals(settings, some);
    const others = some.flatMap(([atMs]) => [
      [atMs, 1, 2, 1] as [number, number, number, number],
      [atMs, 2, 0, 1] as [number, number, number, number],
    ]);
    expect(arrivals(settings, [...others, ...some]).slice(100)).toEqual(alone);
    expect(arrivals(settings, some, 2)).not.toEqual(alone);
  });

  it("holds or drops what crosses a partition, by the time it leaves", () => {
    const cut = (mode: "hold" | "drop"): NetworkFault => ({
      kind: "partition",
      startMs: 10,
      endMs: 200,
      groups: [[0, 1], [2]],
      mode,
    });
    const sends: [number, number, number, number][] = [
      [9, 0, 2, 1],
      [10, 0, 2, 1],
      [10, 0, 1, 1],
      [10, 2, 3, 1],
      [200, 0, 2, 1],
    ];
    expect(arrivals({ ...TWO_REGIONS, faults: [cut("drop")] }, sends)).toEqual([
      59,
      undefined,
      11,
      undefined,
      250,
    ]);
    expect(arrivals({ ...TWO_REGIONS, faults: [cut("hold")] }, sends)).toEqual([
      59, 250, 11, 202, 250,
    ]);
  });

  it("delays what a delay concerns, never beyond the end of its window", () => {
    const late: NetworkFault = {
      kind: "delay",
      startMs: 0,
      endMs: 300,
      from: [0],
      to: [1],
      delayMs: [100, 5_000],
    };
    const settings = { ...TWO_REGIONS, faults: [late] };
    const many = Array.from({ length: 200 }, (_, i) => [i, 0, 1, 1] as [number, 0, 1, number]);
    const found = arrivals(settings, many).map((atMs) => atMs ?? Number.NaN);
    found.forEach((atMs, i) => {
      expect(atMs).toBeGreaterThanOrEqual(i + 101);
      expect(atMs).toBeLessThanOrEqual(301);
    });
    expect(new Set(found).size).toBeGreaterThan(1);
    expect(arrivals(settings, [[0, 1, 0, 1]])).toEqual([1]);
    expect(arrivals(settings, [[300, 0, 1, 1]])).toEqual([301]);
    const lossy: NetworkFault = { kind: "loss", startMs: 0, endMs: 10, to: [1], probability: 1 };
    expect(
      arrivals({ ...TWO_REGIONS, faults: [lossy] }, [
        [5, 0, 1, 1],
        [5, 1, 0, 1],
      ]),
    ).toEqual([undefined, 6]);
  });

  it("slows a slow node down both ways and counts what it carried", () => {
    const settings = { ...TWO_REGIONS, slowNodes: [{ node: 1, extraMs: 30 }] };
    expect(
      arrivals(settings, [
        [0, 0, 1, 1],
        [0, 1, 0, 1],
        [0, 2, 3, 1],
      ]),
    ).toEqual([31, 31, 2]);
    const simulation = new Simulation();
    const network = new Network(simulation, createPrng(1), { ...settings, lossProbability: 1 });
    network.send(0, 1, 70, () => undefined);
    network.send(0, 0, 70, () => undefined);
    expect(network.counts).toEqual({ messages: 1, bytes: 70, lost: 1 });
    expect(simulation.runAll()).toBe(1);
  });

  it.each([
    [{ nodeRegions: [2] }, "region"],
    [{ rttMs: [[1, -1]], nodeRegions: [] }, "rttMs"],
    [{ jitter: -0.1 }, "jitter"],
    [{ lossProbability: 1.1 }, "lossProbability"],
    [{ egressBytesPerMs: 0 }, "egressBytesPerMs"],
    [{ slowNodes: [{ node: 4, extraMs: 1 }] }, "slowNodes.node"],
  ])("refuses %j", (wrong, name) => {
    const settings = { ...TWO_REGIONS, ...wrong };
    expect(() => new Network(new Simulation(), createPrng(1), settings)).toThrowError(
      expect.objectContaining({ failure: expect.objectContaining({ code: "BAD_RANGE", name }) }),
    );
  });
});
