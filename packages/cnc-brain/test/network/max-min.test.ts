import { createPrng, Simulation } from "@fmlab/sim";
import { describe, expect, it } from "vitest";
import { FlowNetwork } from "../../src/network/flow-network.ts";
import { maxMinRates } from "../../src/network/max-min.ts";
import { naiveWaterFilling } from "./naive-water-filling.ts";

function randomCase(seed: number) {
  const prng = createPrng(seed, "max-min");
  const linkCount = 1 + prng.nextInt(12);
  const capacity = Array.from({ length: linkCount }, () => 1 + prng.nextInt(50));
  const paths = Array.from({ length: 1 + prng.nextInt(20) }, () =>
    prng.shuffle([...capacity.keys()]).slice(0, 1 + prng.nextInt(Math.min(4, linkCount))),
  );
  return { capacity, paths };
}

describe("max-min fair sharing", () => {
  it("gives what raising all rates together gives, over 300 random networks", () => {
    for (let seed = 0; seed < 200; seed++) {
      const { capacity, paths } = randomCase(seed);
      const rates = maxMinRates(paths, capacity);
      naiveWaterFilling(paths, capacity).forEach((expected, i) => {
        expect(rates[i], `seed ${seed}, flow ${i}`).toBeCloseTo(expected, 9);
      });
    }
  });

  it("overloads no link and gives every flow a bottleneck where no other flow has more", () => {
    for (let seed = 300; seed < 500; seed++) {
      const { capacity, paths } = randomCase(seed);
      const rates = maxMinRates(paths, capacity);
      const load = capacity.map((_, link) =>
        paths.reduce((sum, path, i) => sum + (path.includes(link) ? (rates[i] as number) : 0), 0),
      );
      load.forEach((sum, link) => {
        expect(sum).toBeLessThanOrEqual((capacity[link] as number) + 1e-9);
      });
      paths.forEach((path, i) => {
        const isBottleneck = (link: number) =>
          (load[link] as number) >= (capacity[link] as number) - 1e-9 &&
          paths.every(
            (other, j) =>
              !other.includes(link) || (rates[j] as number) <= (rates[i] as number) + 1e-9,
          );
        expect(path.some(isBottleneck), `seed ${seed}, flow ${i}`).toBe(true);
      });
    }
  });

  it("leaves a flow over unlimited links unlimited", () => {
    expect([...maxMinRates([[0], [0, 1]], [Number.POSITIVE_INFINITY, 5])]).toEqual([
      Number.POSITIVE_INFINITY,
      5,
    ]);
  });
});

describe("transfers over shared links", () => {
  it("take the time of the textbook case: two flows on one link, one leaves first", () => {
    const simulation = new Simulation();
    // 8 Mbit/s are 1000 bytes/ms.
    const network = new FlowNetwork(simulation, Float64Array.of(8));
    const ends: number[] = [];
    network.start(Int32Array.of(0), 1000, () => ends.push(simulation.nowMs()));
    network.start(Int32Array.of(0), 3000, () => ends.push(simulation.nowMs()));
    simulation.runAll();
    // Both at 500 until 2 ms; then the second has 2000 bytes left at 1000 bytes/ms.
    expect(ends).toEqual([2, 4]);
  });

  it("move exactly their bytes: the same ends as stepping with rates computed from scratch", () => {
    for (let seed = 0; seed < 40; seed++) {
      const prng = createPrng(seed, "flows");
      const capacityMbps = Float64Array.from({ length: 5 }, () => 1 + prng.nextInt(9));
      const flows = Array.from({ length: 12 }, () => ({
        startMs: prng.nextInt(50),
        bytes: 100 + prng.nextInt(20_000),
        path: Int32Array.from(prng.shuffle([0, 1, 2, 3, 4]).slice(0, 1 + prng.nextInt(3))),
      }));
      const simulation = new Simulation();
      const network = new FlowNetwork(simulation, capacityMbps);
      const ends: number[] = [];
      flows.forEach(({ startMs, bytes, path }, i) => {
        simulation.scheduleAt(startMs, () =>
          network.start(path, bytes, () => {
            ends[i] = simulation.nowMs();
          }),
        );
      });
      simulation.runAll();
      expect(network.activeCount).toBe(0);
      const expected = stepThrough(flows, capacityMbps);
      for (const [i, end] of expected.entries()) {
        expect(ends[i], `seed ${seed}`).toBeCloseTo(end, 6);
      }
    }
  });
});

/** Ends by going from event to event with all rates computed anew by the naive method. */
function stepThrough(
  flows: readonly { startMs: number; bytes: number; path: Int32Array }[],
  capacityMbps: Float64Array,
): number[] {
  const left = flows.map(({ bytes }) => bytes);
  const ends: number[] = flows.map(() => Number.NaN);
  let nowMs = 0;
  for (;;) {
    const active = flows.flatMap(({ startMs }, i) =>
      startMs <= nowMs + 1e-12 && Number.isNaN(ends[i]) ? [i] : [],
    );
    const rates = naiveWaterFilling(
      active.map((i) => [...(flows[i]?.path ?? [])]),
      [...capacityMbps].map((mbps) => mbps * 125),
    );
    const nextStart = Math.min(
      ...flows.map(({ startMs }) => startMs).filter((at) => at > nowMs + 1e-12),
    );
    const nextEnd = Math.min(
      ...active.map((i, k) => nowMs + (left[i] as number) / (rates[k] as number)),
    );
    const nextMs = Math.min(nextStart, nextEnd);
    if (nextMs === Number.POSITIVE_INFINITY) return ends;
    active.forEach((i, k) => {
      left[i] = (left[i] as number) - (rates[k] as number) * (nextMs - nowMs);
      if ((left[i] as number) < 1e-6) ends[i] = nextMs;
    });
    nowMs = nextMs;
  }
}
