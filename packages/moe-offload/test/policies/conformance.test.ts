import { createPrng } from "@fmlab/sim";
import { describe, expect, it } from "vitest";
import type { Routing, RoutingShape } from "../../src/offload/routing.ts";
import { POLICY_NAMES } from "../../src/policies/names.ts";
import type { Allocation, MissCurves, PolicyDefinition } from "../../src/policies/policy.ts";
import { POLICIES } from "../../src/policies/registry.ts";
import { type DriverEvent, NaiveDriver } from "./naive-driver.ts";
import { everythingKnown, randomShape, randomTrace, shapeOf } from "./random-trace.ts";

/**
 * What every registered policy must keep. A new policy is covered by being registered; what it
 * answers on each trace is judged by `NaiveDriver`, which throws when the protocol is broken.
 */

const TRACES = 8;
const TOKENS = 40;

/** All slot counts worth trying for a shape, too small ones included. */
function slotCounts(shape: RoutingShape): number[] {
  const all = shape.moeLayers.length * shape.expertCount;
  return [
    0,
    1,
    shape.expertUsedCount,
    Math.floor(all / 4),
    Math.floor(all / 2),
    all - 1,
    all,
    2 * all,
  ];
}

/** An allocation and whether the asked number of slots was enough for it. */
function allocate(
  definition: PolicyDefinition,
  shape: RoutingShape,
  slotCount: number,
  prefetchWidth: number,
): { allocation: Allocation; slotCount: number } {
  const first = definition.allocate(shape, slotCount, prefetchWidth);
  if (typeof first !== "number") return { allocation: first, slotCount };
  expect(first).toBeGreaterThan(slotCount);
  expect(Number.isInteger(first)).toBe(true);
  const second = definition.allocate(shape, first, prefetchWidth);
  if (typeof second === "number") expect.unreachable("the number it says it needs is not enough");
  return { allocation: second, slotCount: first };
}

function expectAllocationToFit(
  shape: RoutingShape,
  allocation: Allocation,
  slotCount: number,
  prefetchWidth: number,
) {
  const { isShared, slots, staging } = allocation;
  const kept = slots.reduce((sum, count) => sum + count, 0);
  for (const count of [...slots, staging]) {
    expect(Number.isInteger(count) && count >= 0).toBe(true);
  }
  expect(kept + staging).toBeLessThanOrEqual(slotCount);
  expect(slots).toHaveLength(isShared ? 1 : shape.layerCount);
  const regions = isShared ? [slots[0] ?? 0] : shape.moeLayers.map((layer) => slots[layer] ?? 0);
  const most = isShared ? shape.moeLayers.length * shape.expertCount : shape.expertCount;
  expect(Math.max(...regions)).toBeLessThanOrEqual(most);
  if (!isShared) expect(kept).toBe(regions.reduce((sum, count) => sum + count, 0));
  if (Math.min(...regions) < shape.expertUsedCount) expect(staging).toBeGreaterThan(0);
  if (staging > 0) expect(staging).toBe(shape.expertUsedCount + prefetchWidth);
}

interface DriveOptions {
  slotCount: number;
  prefetchWidth: number;
  seed: string;
  /** Tokens after which the trace is swapped for another. */
  changeAt?: number;
  shuffles?: boolean;
}

/** Runs a policy over a random trace with random prefetches; everything that happened, in order. */
function drive(definition: PolicyDefinition, shape: RoutingShape, options: DriveOptions) {
  const random = createPrng(17, options.seed);
  const other = randomTrace(random.fork("other"), shape, TOKENS);
  const trace = randomTrace(random.fork("trace"), shape, TOKENS).map((routing, i) =>
    routing.token < (options.changeAt ?? TOKENS) ? routing : (other[i] ?? routing),
  );
  const known = everythingKnown(random.fork("known"), shape, trace);
  const { allocation } = allocate(definition, shape, options.slotCount, options.prefetchWidth);
  const order = random.fork("order");
  const driver = new NaiveDriver(
    definition,
    // The earlier text must not be the text itself: it would tell the future.
    { ...known, popularity: everythingKnown(random, shape, other).popularity, allocation },
    options.shuffles === true ? (keys) => order.shuffle(keys) : undefined,
  );
  const guesses = random.fork("guesses");
  const log: DriverEvent[][] = [];
  trace.forEach((routing, i) => {
    log.push(driver.request(withReusedArrays(routing)));
    const next = trace[i + 1];
    for (let p = 0; next !== undefined && p < options.prefetchWidth; p++) {
      const expert = guesses.nextInt(shape.expertCount);
      log.push(driver.prefetch(next.layer * shape.expertCount + expert));
    }
  });
  return { driver, log };
}

/** The caller reuses its arrays: a policy that keeps a reference would see them change. */
const shared = { experts: new Int32Array(0), probabilities: new Float32Array(0) };
function withReusedArrays(routing: Routing): Routing {
  shared.experts.fill(0);
  shared.probabilities.fill(Number.NaN);
  shared.experts = routing.experts.slice();
  shared.probabilities = routing.probabilities.slice();
  return { ...routing, ...shared };
}

describe("the registry of policies", () => {
  it("has every name a config may use, under its own name", () => {
    expect(Object.keys(POLICIES).sort()).toEqual([...POLICY_NAMES].sort());
    for (const name of POLICY_NAMES) {
      expect(POLICIES[name].name).toBe(name);
      expect(POLICIES[name].help).toMatch(/^[A-Z].*\.$/);
      expect(POLICIES[name].source.length).toBeGreaterThan(5);
    }
  });
});

describe.each(POLICY_NAMES)("%s", (name) => {
  const definition = POLICIES[name];
  const random = createPrng(23, name);
  const shapes = Array.from({ length: TRACES }, () => randomShape(random));

  it("shares out at most the slots there are, or says how many it needs", () => {
    for (const shape of [...shapes, shapeOf(24, 60, 4), shapeOf(28, 64, 6, 1)]) {
      for (const prefetchWidth of [0, 3]) {
        for (const slots of slotCounts(shape)) {
          const { allocation, slotCount } = allocate(definition, shape, slots, prefetchWidth);
          expectAllocationToFit(shape, allocation, slotCount, prefetchWidth);
        }
      }
    }
  });

  it("shares out within the budget whatever the miss curves say", () => {
    for (const shape of shapes) {
      const curve = () =>
        Float64Array.from({ length: shape.expertCount + 1 }, () => random.nextFloat());
      const missesPerToken = Array.from({ length: shape.layerCount }, curve);
      const curves: MissCurves = { missesPerToken };
      const slots = Math.ceil((shape.moeLayers.length * shape.expertCount) / 2);
      const shared = definition.allocate(shape, slots, 2, curves);
      if (typeof shared !== "number") expectAllocationToFit(shape, shared, slots, 2);
    }
  });

  it("keeps to the protocol over random traces, with and without prefetches", () => {
    shapes.forEach((shape, i) => {
      for (const slotCount of slotCounts(shape)) {
        const { driver } = drive(definition, shape, {
          slotCount,
          prefetchWidth: i % 4,
          seed: `${i}/${slotCount}`,
        });
        const used = shape.moeLayers.length * shape.expertUsedCount;
        expect(driver.hits + driver.misses).toBe(TOKENS * used);
      }
    });
  });

  it("does the same again when it is run again, whatever the order of the candidates", () => {
    shapes.forEach((shape, i) => {
      const slotCount = Math.ceil((shape.moeLayers.length * shape.expertCount) / 2);
      const options = { slotCount, prefetchWidth: i % 3, seed: `${i}` };
      const { log } = drive(definition, shape, options);
      expect(drive(definition, shape, options).log).toEqual(log);
      expect(drive(definition, shape, { ...options, shuffles: true }).log).toEqual(log);
    });
  });

  it.skipIf(definition.needs?.includes("future"))("does not know the future", () => {
    shapes.forEach((shape, i) => {
      const slotCount = Math.ceil((shape.moeLayers.length * shape.expertCount) / 2);
      const options = { slotCount, prefetchWidth: 0, seed: `${i}` };
      const changeAt = TOKENS / 2;
      const { log } = drive(definition, shape, options);
      const changed = drive(definition, shape, { ...options, changeAt }).log;
      const common = changeAt * shape.moeLayers.length;
      expect(changed.slice(0, common)).toEqual(log.slice(0, common));
      expect(changed).not.toEqual(log);
    });
  });

  it("says who leaves when a region loses a slot", () => {
    for (const shape of shapes) {
      const slotCount = Math.ceil((shape.moeLayers.length * shape.expertCount) / 2);
      const { driver } = drive(definition, shape, { slotCount, prefetchWidth: 0, seed: "less" });
      if (definition.name === "all-resident") continue;
      driver.resident.forEach((region, index) => {
        const held = [...region];
        const left = held.map(() => driver.shrink(index) ?? -1);
        expect(left.sort((a, b) => a - b)).toEqual(held.sort((a, b) => a - b));
      });
    }
  });

  it("hits always once every expert has a slot", () => {
    const shape = shapeOf(3, 6, 2, 1);
    const { driver, log } = drive(definition, shape, {
      slotCount: 100,
      prefetchWidth: 0,
      seed: "all",
    });
    const firstUses = new Set(
      log
        .flat()
        .filter((e) => e.kind === "load")
        .map((e) => e.key),
    );
    if (name === "on-demand") expect(driver.hits).toBe(0);
    else expect(driver.misses).toBe(firstUses.size);
  });
});
