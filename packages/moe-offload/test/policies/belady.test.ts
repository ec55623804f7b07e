import { createPrng } from "@fmlab/sim";
import { describe, expect, it } from "vitest";
import type { Routing, RoutingShape } from "../../src/offload/routing.ts";
import { belady } from "../../src/policies/belady.ts";
import { POLICY_NAMES } from "../../src/policies/names.ts";
import type { Allocation, PolicyDefinition } from "../../src/policies/policy.ts";
import { POLICIES } from "../../src/policies/registry.ts";
import { NaiveDriver } from "./naive-driver.ts";
import { everythingKnown, randomTrace, shapeOf } from "./random-trace.ts";

function hits(
  definition: PolicyDefinition,
  shape: RoutingShape,
  trace: Routing[],
  allocation: Allocation,
): number {
  const known = everythingKnown(createPrng(1, "known"), shape, trace);
  const driver = new NaiveDriver(definition, { ...known, allocation });
  for (const routing of trace) driver.request(routing);
  return driver.hits;
}

/** Most hits of any cache whatever: every content that can be kept is tried at every step. */
function mostHits(
  trace: Routing[],
  shape: RoutingShape,
  capacity: number,
  mayDecline: boolean,
): number {
  const { expertCount, layerCount } = shape;
  const sets = Array.from({ length: 2 ** (layerCount * expertCount) }, (_, bits) => bits);
  const size = (bits: number) => bits.toString(2).replaceAll("0", "").length;
  let best = new Map(sets.filter((bits) => size(bits) <= capacity).map((bits) => [bits, 0]));
  for (const routing of trace) {
    const needed = [...routing.experts].reduce(
      (bits, expert) => bits | (1 << (routing.layer * expertCount + expert)),
      0,
    );
    const after = new Map<number, number>();
    for (const [held, count] of best) {
      const total = count + size(held & needed);
      const from = held | needed;
      for (const next of sets) {
        const isReachable = (next & ~from) === 0 && size(next) <= capacity;
        if (!isReachable || (!mayDecline && (next & needed) !== needed)) continue;
        after.set(next, Math.max(total, after.get(next) ?? 0));
      }
    }
    best = after;
  }
  return Math.max(...best.values());
}

describe("belady", () => {
  it.each([
    ["that keeps all it uses, 1 or 2 experts per token,", 0, 2],
    ["that may decline, 1 expert per token,", 2, 1],
  ])("%s has as many hits as the best of all caches", (title, staging, usedMax) => {
    const random = createPrng(37, title);
    for (let i = 0; i < 300; i++) {
      const used = 1 + random.nextInt(usedMax);
      const shape = shapeOf(1, used + 2 + random.nextInt(2), used);
      const trace = randomTrace(random, shape, 12);
      const capacity = used + random.nextInt(3);
      const allocation = { slots: [capacity], isShared: false, staging };
      const most = mostHits(trace, shape, capacity, staging > 0);
      expect(hits(belady, shape, trace, allocation)).toBe(most);
    }
  });

  it("has as many hits as the best of all caches when three layers share the slots", () => {
    const random = createPrng(38, "shared");
    for (let i = 0; i < 150; i++) {
      const shape = shapeOf(3, 2, 1);
      const trace = randomTrace(random, shape, 10);
      const slots = 1 + random.nextInt(4);
      const most = mostHits(trace, shape, slots, false);
      expect(hits(belady, shape, trace, { slots: [slots], isShared: true, staging: 0 })).toBe(most);
    }
  });

  it.each([false, true])("is never below any other policy (shared slots: %s)", (isShared) => {
    const random = createPrng(41, `${isShared}`);
    for (let i = 0; i < 40; i++) {
      const used = 1 + random.nextInt(3);
      const shape = shapeOf(3, used + 2 + random.nextInt(6), used);
      const trace = randomTrace(random, shape, 50);
      const perLayer = used + random.nextInt(shape.expertCount - used + 1);
      const slots = isShared ? [3 * perLayer] : [perLayer, perLayer, perLayer];
      const allocation = { slots, isShared, staging: used };
      const bound = hits(belady, shape, trace, allocation);
      for (const name of POLICY_NAMES) {
        // These two only work with slots of their own kind.
        if (name === "all-resident" || (isShared && (name === "arc" || name === "fate"))) continue;
        if (name === "static" && !isShared) continue;
        expect([name, hits(POLICIES[name], shape, trace, allocation)]).toSatisfy(
          ([, count]: [string, number]) => count <= bound,
        );
      }
    }
  });
});
