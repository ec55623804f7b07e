import { openGguf } from "@fmlab/ggml";
import { createPrng, VirtualClock } from "@fmlab/sim";
import { afterAll, describe, expect, it } from "vitest";
import type { SlotPool } from "../../src/engine/interfaces.ts";
import { ExpertCache } from "../../src/experts/expert-cache.ts";
import { ExpertStore } from "../../src/experts/expert-store.ts";
import { Link } from "../../src/experts/link.ts";
import { describeModel } from "../../src/model/description.ts";
import { expertLayout } from "../../src/model/expert-layout.ts";
import { POLICIES } from "../../src/policies/registry.ts";
import { SHIPPED_MODEL } from "../shipped-model.ts";

const file = openGguf(SHIPPED_MODEL);
const layout = expertLayout(file, describeModel(file));
afterAll(() => file.close());

/** A cache over the shipped model in virtual time, where reads take no time of their own. */
function cacheWith(
  name: "lru" | "on-demand" | "all-resident",
  slots: number,
  bandwidthMBps: number,
) {
  const virtual = new VirtualClock();
  const clock = {
    nowMs: () => virtual.nowMs(),
    waitUntil: (ms: number) => virtual.advanceTo(Math.max(ms, virtual.nowMs())),
    throwIfCancelled: () => {},
  };
  const memory = Array.from({ length: slots }, () => ({
    gate: new Uint8Array(34_816),
    up: new Uint8Array(34_816),
    down: new Uint8Array(34_816),
  }));
  const pool: SlotPool = {
    slotCount: slots,
    expertBytes: layout.expertBytes,
    parts: layout.parts,
    view: (slot, part) => memory[slot]?.[part] ?? new Uint8Array(),
  };
  const store = new ExpertStore(SHIPPED_MODEL, layout);
  const counts = { bytes: 0, loads: 0, stallMs: 0 };
  const cache = new ExpertCache({
    pool,
    store,
    link: new Link({ bandwidthMBps, latencyUs: 0 }, clock),
    policy: POLICIES[name].create(layout, slots),
    clock,
    onLoad: (_layer, _expert, bytes, times) => {
      counts.loads++;
      counts.bytes += bytes;
      counts.stallMs += times.endMs - times.startMs;
    },
  });
  cache.fill();
  return { cache, pool, store, counts, clock };
}

/** A routing trace of the shipped model's shape, skewed so that caching pays. */
function trace(tokens: number): { layer: number; experts: Int32Array }[] {
  const random = createPrng(2, "trace");
  const all = Array.from({ length: 32 }, (_, e) => e);
  return Array.from({ length: tokens * 8 }, (_, i) => {
    const hot = all.slice(0, 10);
    const from = random.chance(0.6) ? hot : all;
    return { layer: i % 8, experts: Int32Array.from(random.shuffle(from).slice(0, 4)) };
  });
}

describe("a cache of experts", () => {
  it.each([
    ["lru", 64],
    ["on-demand", 4],
    ["all-resident", 256],
  ] as const)("with %s always holds the right bytes in the slots it names", (name, slots) => {
    const { cache, pool, store } = cacheWith(name, slots, 0);
    const chosen = new Int32Array(4);
    const expected = new Uint8Array(34_816);
    for (const { layer, experts } of trace(20)) {
      cache.acquire(layer, experts, chosen);
      experts.forEach((expert, i) => {
        for (const part of ["gate", "up", "down"] as const) {
          file.read(layout.range(layer, expert, part).offset, expected);
          expect(Buffer.compare(pool.view(chosen[i] ?? -1, part), expected)).toBe(0);
        }
      });
    }
    store.close();
  });

  it("stalls exactly as long as the missed bytes take on the link", () => {
    for (const name of ["lru", "on-demand"] as const) {
      const { cache, counts, store, clock } = cacheWith(name, name === "lru" ? 64 : 4, 200);
      const chosen = new Int32Array(4);
      for (const { layer, experts } of trace(50)) cache.acquire(layer, experts, chosen);
      expect(counts.bytes).toBe(counts.loads * 104_448);
      expect(counts.stallMs).toBeCloseTo(counts.bytes / 200e3, 6);
      expect(clock.nowMs()).toBeCloseTo(counts.stallMs, 6);
      if (name === "on-demand") expect(counts.loads).toBe(50 * 8 * 4);
      else expect(counts.loads).toBeLessThan(0.8 * 50 * 8 * 4);
      store.close();
    }
  });
});
