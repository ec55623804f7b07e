import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createPrng, firstDivergence, replayTo, Simulation, TraceHash } from "../src/index.ts";

/** A world in which a walker steps at random; from step `changedAt` on it steps otherwise. */
function walk(seed: number, changedAt = Number.POSITIVE_INFINITY) {
  const simulation = new Simulation();
  const trace = new TraceHash();
  const prng = createPrng(seed, "walk");
  const world = { simulation, trace, position: 0, steps: 0 };
  const step = () => {
    world.steps++;
    world.position += prng.normal() + (world.steps >= changedAt ? 1e-12 : 0);
    trace.addNumber(simulation.nowMs()).addNumber(world.position);
    simulation.scheduleAfter(prng.exponential(), step);
  };
  simulation.scheduleAt(0, step);
  return world;
}

describe("TraceHash", () => {
  it("changes with every value, its kind and the order", () => {
    const hashes = [
      new TraceHash(),
      new TraceHash().addNumber(0),
      new TraceHash().addNumber(-0),
      new TraceHash().addNumber(1),
      new TraceHash().addNumber(1 + Number.EPSILON),
      new TraceHash().addString(""),
      new TraceHash().addBytes(new Uint8Array(0)),
      new TraceHash().addString("ab").addString("c"),
      new TraceHash().addString("a").addString("bc"),
      new TraceHash().addString("c").addString("ab"),
      new TraceHash().addBytes(Uint8Array.of(97, 98)),
      new TraceHash().addString("ab"),
    ].map((hash) => hash.digest());
    expect(new Set(hashes).size).toBe(hashes.length);
    for (const hash of hashes) expect(hash).toMatch(/^[0-9a-f]{32}$/);
  });

  it("differs for sequences that differ in one place or in their order", () => {
    const hash = (values: number[]) =>
      values.reduce((trace, value) => trace.addNumber(value), new TraceHash()).digest();
    fc.assert(
      fc.property(
        fc.array(fc.double({ noNaN: true }), { minLength: 2, maxLength: 20 }),
        fc.nat(),
        fc.nat(),
        (values, i, j) => {
          const [a, b] = [i % values.length, j % values.length];
          const swapped = [...values];
          [swapped[a], swapped[b]] = [values[b] as number, values[a] as number];
          const same = swapped.every((value, k) => Object.is(value, values[k]));
          expect(hash(swapped) === hash(values)).toBe(same);
        },
      ),
      { numRuns: 300, seed: 1 },
    );
  });

  it("has no collision among 20,000 short traces and spreads over its bits", () => {
    const seen = new Set<string>();
    const ones = new Array<number>(128).fill(0);
    for (let i = 0; i < 20_000; i++) {
      const digest = new TraceHash().addNumber(i).digest();
      seen.add(digest);
      if (i >= 4_096) continue;
      const bits = BigInt(`0x${digest}`);
      for (let bit = 0; bit < 128; bit++)
        ones[bit] = (ones[bit] ?? 0) + Number((bits >> BigInt(bit)) & 1n);
    }
    expect(seen.size).toBe(20_000);
    // Five standard deviations of a binomial of 4,096 fair bits.
    for (const count of ones) expect(Math.abs(count - 2_048)).toBeLessThan(5 * 32);
  });

  it("keeps its meaning: the digest of a pinned trace", () => {
    const trace = new TraceHash().addNumber(1.5).addString("vote").addBytes(Uint8Array.of(1, 2));
    expect(trace.digest()).toBe("963932a98aafde0f4d81e8db0b89549a");
    expect(trace.count).toBe(3);
  });
});

describe("replay", () => {
  it("brings a world back to any event", () => {
    const whole = walk(3);
    const states: [number, string][] = [];
    for (let event = 0; event < 200; event++) {
      whole.simulation.runNext();
      states.push([whole.position, whole.trace.digest()]);
    }
    for (const event of [1, 57, 200]) {
      const world = replayTo(() => walk(3), event);
      expect([world.position, world.trace.digest()]).toEqual(states[event - 1]);
      expect(world.simulation.eventsRun).toBe(event);
    }
  });

  it("finds the first event at which two worlds part, and none between equal ones", () => {
    expect(
      firstDivergence(
        () => walk(3),
        () => walk(3, 41),
        1_000,
      ),
    ).toBe(41);
    expect(
      firstDivergence(
        () => walk(3),
        () => walk(4),
        1_000,
      ),
    ).toBe(1);
    expect(
      firstDivergence(
        () => walk(3),
        () => walk(3),
        1_000,
      ),
    ).toBeUndefined();
    const short = () => ({ ...walk(3), simulation: new Simulation() });
    expect(firstDivergence(short, short, 10)).toBeUndefined();
  });
});
