import { createPrng } from "@fmlab/sim";
import { describe, expect, it } from "vitest";
import { traceLayout } from "../../src/replay/trace-layout.ts";
import { expertTable } from "../../src/tiers/expert-table.ts";
import { HeldPlaces } from "../../src/tiers/held-places.ts";
import { HOST, HostDirectory } from "../../src/tiers/host-directory.ts";
import { HostTier } from "../../src/tiers/host-tier.ts";
import { gatherRegions, NativeMemory } from "../../src/tiers/native-memory.ts";

describe("experts held in host memory", () => {
  const shape = { layerCount: 2, expertCount: 5, expertUsedCount: 2, moeLayers: [0, 1] };
  const sizes = [96, 96, 200];
  const layout = {
    ...traceLayout(shape, () => 392),
    range: (layer: number, expert: number, part: string) => ({
      path: "none",
      fileIndex: 0,
      offset: 1000 * (layer * 5 + expert),
      sizeBytes: sizes[["gate", "up", "down"].indexOf(part)] ?? 0,
    }),
  };
  /** Bytes of a part that no other part has. */
  const contentOf = (key: number, part: number) => {
    const prng = createPrng(10 * key + part, "content");
    return Uint8Array.from({ length: sizes[part] ?? 0 }, () => prng.nextInt(256));
  };
  const contents = {
    read: (key: number, part: number, target: Uint8Array) => target.set(contentOf(key, part)),
  };

  it("lie where they are said to, gate, up and down one after the other", () => {
    const table = expertTable(layout);
    const tier = new HostTier(table, {
      ...{ budgetBytes: 10 * 448, mode: "pinned", preload: true, contents },
    });
    const places = new HeldPlaces(tier.plan);
    for (let key = 0; key < 10; key++) {
      const address = places.hold(key);
      const memory = new NativeMemory(gatherRegions([{ address, sizeBytes: 392 }]));
      const expected = [0, 1, 2].flatMap((part) => [...contentOf(key, part)]);
      expect([...memory.bytes(0, 0, 392)]).toEqual(expected);
    }
    places.release();
    tier.free();
  });

  it("stay while they are held, and are not found where they are not", () => {
    const table = expertTable(layout);
    const tier = new HostTier(table, {
      ...{ budgetBytes: 2 * 448, mode: "lru", preload: true, contents },
    });
    const places = new HeldPlaces(tier.plan);
    const others = new HostDirectory(tier.plan.directory, tier.plan.slotCount);
    expect(places.hold(0)).not.toBe(0n);
    expect(places.hold(1)).not.toBe(0n);
    expect(places.hold(2)).toBe(0n);
    expect(others.ask(2, true, () => true)).toBe(HOST.miss);
    places.release();
    expect(others.ask(2, true, () => true)).toBe(HOST.fill);
    // On its way from disk: not there yet.
    expect(places.hold(2)).toBe(0n);
    others.filled(others.slot);
    expect(places.hold(2)).not.toBe(0n);
    tier.free();
  });
});
