import { createPrng } from "@fmlab/sim";
import { expect, it } from "vitest";
import { defineLfu, lfu } from "../../src/policies/lfu.ts";
import { NaiveDriver } from "./naive-driver.ts";
import { randomShape, randomTrace } from "./random-trace.ts";

it.each([
  ["without decay", lfu, 1],
  ["with decay", defineLfu("decaying", 0.9), 0.9],
  ["with a decay whose counts are rescaled meanwhile", defineLfu("fast", 0.6), 0.6],
] as const)("lfu %s evicts what a map of weighted uses says, over 100 random traces", (...row) => {
  const [title, definition, decay] = row;
  const random = createPrng(13, title);
  for (let i = 0; i < 100; i++) {
    const shape = randomShape(random);
    const { expertCount, expertUsedCount, moeLayers } = shape;
    const slotCount = moeLayers.length * (expertUsedCount + random.nextInt(expertCount));
    const allocation = definition.allocate(shape, slotCount, 0);
    if (typeof allocation === "number") expect.unreachable();
    const driver = new NaiveDriver(definition, { shape, allocation });
    const usesOf = new Map<number, number[]>();
    for (const routing of randomTrace(random, shape, decay === 0.6 ? 70 : 30)) {
      const { layer, token } = routing;
      const needed = Array.from(routing.experts, (expert) => layer * expertCount + expert);
      const before = new Set(driver.resident[layer]);
      for (const key of needed) usesOf.set(key, [...(usesOf.get(key) ?? []), token]);
      const worth = (key: number) =>
        (usesOf.get(key) ?? []).reduce((sum, use) => sum + decay ** (token - use), 0);
      for (const { kind, key } of driver.request(routing)) {
        if (kind !== "evict") continue;
        before.delete(key);
        const others = [...before].filter((held) => !needed.includes(held)).map(worth);
        expect(worth(key)).toBeLessThanOrEqual(Math.min(...others) * (1 + 1e-9));
      }
    }
  }
});
