import { mkdtempSync, rmSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it, vi } from "vitest";
import { expertTable } from "../../src/tiers/expert-table.ts";
import { HostTier } from "../../src/tiers/host-tier.ts";
import { TransferLane, type TransferLaneOptions } from "../../src/tiers/transfer-lane.ts";
import { type SyntheticModel, TestSlots, writeSynthetic } from "./synthetic.ts";

const folder = mkdtempSync(join(tmpdir(), "fmlab-host-"));
afterAll(() => rmSync(folder, { recursive: true }));
const SHAPE = {
  moeLayers: [0, 2, 3, 4],
  expertCount: 4,
  partBytes: [640, 640, 1280] as [number, number, number],
};
/** A multiple of 64, so that places have no gaps. */
const EXPERT_BYTES = 2560;
const slots = new TestSlots(4, SHAPE.partBytes);

function open(model: SyntheticModel, host: TransferLaneOptions["host"], readers = 1) {
  return new TransferLane({ layout: model.layout, slots: slots.regions, host, readers });
}

/** Loads experts one by one and says which of them came from host memory. */
function load(lane: TransferLane, model: SyntheticModel, keys: readonly number[]): boolean[] {
  return keys.map((key, i) => {
    const before = lane.counts().hostHits;
    lane.submit(key, i % 4, "demand");
    lane.waitFor(i % 4);
    if (!slots.holds(i % 4, model, key)) throw new Error(`expert ${key} arrived wrong`);
    return lane.counts().hostHits > before;
  });
}

/** Threads read when they get a processor: a busy machine may take its time. */
const PATIENCE = { timeout: 20_000 };

describe("host memory", () => {
  it("that holds all experts needs the disk no more once it is preloaded", () => {
    const paths = [join(folder, "all-a"), join(folder, "all-b")];
    const model = writeSynthetic(SHAPE, paths);
    const budgetBytes = model.keys.length * EXPERT_BYTES;
    const lane = open(model, { budgetBytes, mode: "lru", preload: true }, 3);
    for (const path of paths) truncateSync(path, 0);
    expect(load(lane, model, model.keys)).toEqual(model.keys.map(() => true));
    expect(lane.counts()).toMatchObject({ diskBytes: 0, hostMisses: 0 });
    lane.close();
  });

  it("keeps the experts used last within its budget", () => {
    const model = writeSynthetic(SHAPE, [join(folder, "lru")]);
    // One byte less than four experts: three.
    const budgetBytes = 4 * EXPERT_BYTES - 1;
    const lane = open(model, { budgetBytes, mode: "lru", preload: false });
    const hits = load(lane, model, [0, 1, 2, 0, 3, 1, 0, 3, 2]);
    expect(hits).toEqual([false, false, false, true, false, false, true, true, false]);
    lane.close();
  });

  it("pins the experts named first and reads all others from disk each time", () => {
    const model = writeSynthetic(SHAPE, [join(folder, "pinned")]);
    const budgetBytes = 3 * EXPERT_BYTES;
    // Key 5 belongs to a layer without experts.
    const order = [19, 5, 9];
    const lane = open(model, { budgetBytes, mode: "pinned", preload: true, order });
    const hits = load(lane, model, [1, 19, 9, 1, 0, 1, 19]);
    expect(hits).toEqual([false, true, true, false, true, false, true]);
    lane.close();
  });

  it("that a second lane shares lets go of what it finds there", () => {
    const model = writeSynthetic(SHAPE, [join(folder, "shared")]);
    const options = { budgetBytes: 3 * EXPERT_BYTES, mode: "lru", preload: true } as const;
    const hostTier = new HostTier(expertTable(model.layout), options);
    const openOn = () => new TransferLane({ layout: model.layout, slots: slots.regions, hostTier });
    openOn().close();
    const lane = openOn();
    // Were the first three still held, nothing else could take their places.
    expect(load(lane, model, [3, 3, 1])).toEqual([false, true, true]);
    lane.close();
    hostTier.free();
  });

  it("in window mode reads the next layers from disk while others are computed", async () => {
    const model = writeSynthetic(SHAPE, [join(folder, "window")]);
    const layerBytes = 4 * EXPERT_BYTES;
    const budgetBytes = 2 * layerBytes + 100;
    const lane = open(model, { budgetBytes, mode: "window", preload: true });
    let readBytes = 0;
    // Twice through the model, so that the window also goes around its end.
    for (const layer of [0, 2, 3, 4, 0, 2, 3, 4]) {
      lane.enterLayer(layer);
      await vi.waitFor(() => expect(lane.counts().diskBytes).toBe(readBytes), PATIENCE);
      const keys = [3, 1, 0, 2].map((expert) => 4 * layer + expert);
      expect(load(lane, model, keys), `layer ${layer}`).toEqual([true, true, true, true]);
      readBytes += layerBytes;
    }
    lane.close();
  });

  it("in window mode serves an expert beyond the window from disk, without keeping it", async () => {
    const model = writeSynthetic(SHAPE, [join(folder, "beyond")]);
    const budgetBytes = 2 * 4 * EXPERT_BYTES;
    const lane = open(model, { budgetBytes, mode: "window", preload: false });
    await vi.waitFor(() => expect(lane.counts().diskBytes).toBe(budgetBytes), PATIENCE);
    lane.submit(13, 0, "prefetch");
    lane.waitFor(0);
    lane.submit(13, 1, "prefetch");
    lane.waitFor(1);
    expect(slots.holds(0, model, 13) && slots.holds(1, model, 13)).toBe(true);
    expect(lane.counts()).toMatchObject({ hostHits: 0, hostMisses: 2 });
    // A demand tells which layer is computed: 3, whose experts and those of layer 4 then come.
    lane.submit(13, 2, "demand");
    lane.waitFor(2);
    await vi.waitFor(() => {
      const { diskBytes } = lane.counts();
      expect(diskBytes).toBeGreaterThanOrEqual(2 * budgetBytes + 2 * EXPERT_BYTES);
    });
    expect(load(lane, model, [12, 14, 16, 19])).toEqual([true, true, true, true]);
    lane.close();
  });

  it.each([
    { mode: "lru" as const, budgetBytes: EXPERT_BYTES - 1, least: EXPERT_BYTES },
    { mode: "window" as const, budgetBytes: 8 * EXPERT_BYTES - 1, least: 8 * EXPERT_BYTES },
  ])("of $budgetBytes bytes is too small in mode $mode", ({ mode, budgetBytes, least }) => {
    const model = writeSynthetic(SHAPE, [join(folder, "small")]);
    expect(() => open(model, { budgetBytes, mode, preload: false })).toThrow(
      `host.budgetBytes is ${budgetBytes}, expected 0, or at least ${least}`,
    );
  });
});
