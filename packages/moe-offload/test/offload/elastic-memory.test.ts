import { openGguf } from "@fmlab/ggml";
import { createPrng } from "@fmlab/sim";
import { describe, expect, it } from "vitest";
import { StackDistances } from "../../src/calibration/stack-distances.ts";
import { describeModel } from "../../src/model/description.ts";
import { expertLayout } from "../../src/model/expert-layout.ts";
import { ElasticMemory } from "../../src/offload/elastic-memory.ts";
import type { Scheduler } from "../../src/offload/scheduler.ts";
import { POLICIES } from "../../src/policies/registry.ts";
import { SHIPPED_MODEL } from "../shipped-model.ts";

const file = openGguf(SHIPPED_MODEL);
const layout = expertLayout(file, describeModel(file));
file.close();
const KV_BYTES = 8 * 2 * 256 * 2;

/** Remembers what it was told; counts as if each layer's misses took longer the deeper it lies. */
function witness() {
  const told: number[][] = [];
  const scheduler = {
    layerCounts: {
      demanded: new Float64Array(8).fill(100),
      stallMs: Float64Array.from({ length: 8 }, (_, layer) => 10 * (layer + 1)),
    },
    resize: (slots: readonly number[]) => told.push([...slots]),
  } as unknown as Scheduler;
  return { told, scheduler };
}

function open(scheduler: Scheduler, policy: keyof typeof POLICIES, slots: number) {
  const definition = POLICIES[policy];
  const allocation = definition.allocate(layout, slots, 0);
  if (typeof allocation === "number") throw new Error("too small");
  const curve = Float64Array.from({ length: 33 }, (_, n) => 4 * (1 - n / 32) ** 2);
  return new ElasticMemory({
    scheduler,
    layout,
    policy: definition,
    prefetchWidth: 0,
    allocation,
    budgetBytes: slots * layout.expertBytes,
    kvBytesPerToken: KV_BYTES,
    missCurves: { missesPerToken: new Array(8).fill(curve) },
  });
}

describe("memory shared by experts and the KV cache", () => {
  it("never holds more than the budget, and gives slots back with a new context", () => {
    const { scheduler, told } = witness();
    const memory = open(scheduler, "lru", 128);
    for (let tokens = 0; tokens <= 512; tokens++) {
      memory.follow(tokens);
      const slots = (told.at(-1) ?? [128]).reduce((a, b) => a + b, 0);
      const used = slots * layout.expertBytes + tokens * KV_BYTES;
      expect(used).toBeLessThanOrEqual(128 * layout.expertBytes);
    }
    // 512 tokens take 4 MiB, as do 40.2 experts.
    expect(told.at(-1)).toEqual(
      new Array(8)
        .fill(10)
        .with(0, 10)
        .map((n, i) => n + Number(i % 8 >= 1)),
    );
    memory.follow(0);
    expect(told.at(-1)).toEqual(new Array(8).fill(16));
  });

  it("takes slots first where a miss costs least, for the policy that learns", () => {
    const { scheduler, told } = witness();
    const memory = open(scheduler, "reuse", 128);
    memory.follow(512);
    const slots = told.at(-1) ?? [];
    for (let layer = 1; layer < 8; layer++) {
      expect(slots[layer]).toBeGreaterThanOrEqual(slots[layer - 1] ?? 0);
    }
    expect(slots[7]).toBeGreaterThan(slots[0] ?? 0);
  });
});

describe("stack distances", () => {
  it("give LRU's misses at every size", () => {
    for (let seed = 1; seed <= 20; seed++) {
      const prng = createPrng(seed, "stack");
      const uses = Array.from({ length: 200 }, () => Math.floor(9 * prng.nextFloat() ** 2));
      const distances = new StackDistances(9);
      for (const expert of uses) distances.use(expert);
      const misses = distances.missesPerToken(1);
      for (let slots = 0; slots < 9; slots++) {
        const cache: number[] = [];
        let missed = 0;
        for (const expert of uses) {
          const at = cache.indexOf(expert);
          if (at === -1) missed++;
          else cache.splice(at, 1);
          cache.unshift(expert);
          cache.length = Math.min(cache.length, slots);
        }
        expect(misses[slots]).toBe(missed);
      }
      expect(misses[9]).toBe(0);
    }
  });
});
