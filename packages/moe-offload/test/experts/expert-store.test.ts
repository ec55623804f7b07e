import { copyFileSync, mkdtempSync, readFileSync, rmSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openGguf } from "@fmlab/ggml";
import { afterAll, describe, expect, it } from "vitest";
import { EXPERT_PARTS, type ExpertPart, type SlotPool } from "../../src/engine/interfaces.ts";
import { AlignedReader, type ReadMode } from "../../src/experts/aligned-reader.ts";
import { ExpertStore } from "../../src/experts/expert-store.ts";
import { describeModel } from "../../src/model/description.ts";
import { expertLayout } from "../../src/model/expert-layout.ts";
import { SHIPPED_MODEL } from "../shipped-model.ts";

const folder = mkdtempSync(join(tmpdir(), "fmlab-experts-"));
afterAll(() => rmSync(folder, { recursive: true }));
const file = openGguf(SHIPPED_MODEL);
const layout = expertLayout(file, describeModel(file));
const bytes = readFileSync(SHIPPED_MODEL);
file.close();

/** A pool in ordinary memory. */
function poolOf(slotCount: number): SlotPool {
  const views = Array.from({ length: slotCount }, () =>
    Object.fromEntries(layout.parts.map((p) => [p.name, new Uint8Array(p.sizeBytes)])),
  ) as Record<ExpertPart, Uint8Array>[];
  return {
    slotCount,
    expertBytes: layout.expertBytes,
    parts: layout.parts,
    view: (slot, part) => views[slot]?.[part] ?? new Uint8Array(),
  };
}

describe("experts on disk", () => {
  it("are where the model's tensors say", () => {
    expect(layout).toMatchObject({ layerCount: 8, expertCount: 32, expertBytes: 104_448 });
    const seen = new Set<number>();
    for (let layer = 0; layer < 8; layer++) {
      for (let expert = 0; expert < 32; expert++) {
        for (const part of EXPERT_PARTS) {
          const tensor = file.tensors.get(`blk.${layer}.ffn_${part}_exps.weight`);
          const { offset, sizeBytes } = layout.range(layer, expert, part);
          expect(offset).toBe((tensor?.offset ?? 0) + (expert * (tensor?.sizeBytes ?? 0)) / 32);
          expect(sizeBytes).toBe(34_816);
          seen.add(offset);
        }
      }
    }
    expect(seen.size).toBe(8 * 32 * 3);
    expect(() => layout.range(8, 0, "gate")).toThrow(RangeError);
    expect(() => layout.range(0, 32, "gate")).toThrow(RangeError);
  });

  it.each<ReadMode>(["direct", "buffered"])("arrive unchanged by %s reads", (mode) => {
    const store = new ExpertStore(SHIPPED_MODEL, layout, mode);
    const pool = poolOf(1);
    for (let layer = 0; layer < 8; layer++) {
      for (const expert of [0, 1, 17, 31]) {
        store.load(layer, expert, pool, 0);
        for (const part of EXPERT_PARTS) {
          const { offset, sizeBytes } = layout.range(layer, expert, part);
          const written = bytes.subarray(offset, offset + sizeBytes);
          expect(Buffer.compare(pool.view(0, part), written)).toBe(0);
        }
      }
    }
    expect(store.deliveredBytes).toBe(32 * 104_448);
    expect(store.fetchedBytes).toBeGreaterThanOrEqual(store.deliveredBytes);
    if (mode === "buffered") expect(store.fetchedBytes).toBe(store.deliveredBytes);
    store.close();
    store.close();
  });

  it("are refused with their number when the file is cut short meanwhile", () => {
    const path = join(folder, "cut.gguf");
    copyFileSync(SHIPPED_MODEL, path);
    for (const mode of ["direct", "buffered"] as const) {
      const store = new ExpertStore(path, layout, mode);
      store.load(7, 31, poolOf(1), 0);
      const { offset } = layout.range(7, 31, "up");
      truncateSync(path, offset + 100);
      expect(() => store.load(7, 31, poolOf(1), 0)).toThrow(
        /expert 31 of layer 7 .* only 100 of 34816 bytes came/,
      );
      store.close();
      copyFileSync(SHIPPED_MODEL, path);
    }
  });

  it("are refused when the file is not there", () => {
    expect(() => new ExpertStore(join(folder, "none"), layout)).toThrow(/ENOENT/);
  });
});

describe("an aligned reader", () => {
  it("reads any range, also at the very end of a file of odd size", () => {
    const path = join(folder, "odd");
    copyFileSync(SHIPPED_MODEL, path);
    truncateSync(path, 10_007);
    for (const mode of ["direct", "buffered"] as const) {
      const reader = new AlignedReader(path, 9000, mode);
      for (const [offset, size] of [
        [0, 1],
        [4095, 2],
        [4096, 4096],
        [1007, 9000],
        [10_006, 1],
      ]) {
        const read = reader.read(offset ?? 0, size ?? 0);
        const expected = bytes.subarray(offset, (offset ?? 0) + (size ?? 0));
        expect(Buffer.compare(read, expected)).toBe(0);
      }
      expect(reader.read(10_000, 100)).toHaveLength(7);
      expect(reader.read(20_000, 100)).toHaveLength(0);
      reader.close();
    }
  });

  it("falls back to buffered reads where the file system has no O_DIRECT", () => {
    // /proc offers none; its files have no size, but a trial read tells.
    const reader = new AlignedReader("/proc/self/maps", 100);
    expect(reader.mode).toBe("buffered");
    expect(reader.read(0, 10)).toHaveLength(10);
    reader.close();
  });
});
