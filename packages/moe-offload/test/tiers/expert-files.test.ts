import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { EXPERT_PARTS } from "../../src/engine/interfaces.ts";
import { AlignedReader, type ReadMode, readBuffer } from "../../src/tiers/aligned-reader.ts";
import { ExpertFiles } from "../../src/tiers/expert-files.ts";
import { expertBytes, expertTable } from "../../src/tiers/expert-table.ts";
import { writeSynthetic } from "./synthetic.ts";

const folder = mkdtempSync(join(tmpdir(), "fmlab-files-"));
afterAll(() => rmSync(folder, { recursive: true }));
const model = writeSynthetic(
  { moeLayers: [1, 2, 5], expertCount: 3, partBytes: [3000, 3000, 4097] },
  ["a", "b"].map((name) => join(folder, name)),
);
const table = expertTable(model.layout);
const MODES: ReadMode[] = ["direct", "buffered"];

describe("experts in a split model", () => {
  it("are listed with file, place and size; layers without experts have none", () => {
    expect(table.paths).toEqual(model.paths);
    expect(table.keyCount).toBe(18);
    expect(table.partBytesMax).toBe(4097);
    expect(table.expertBytesMax).toBe(10_097);
    expect(expertBytes(table, 3)).toBe(10_097);
    expect(expertBytes(table, 9)).toBe(0);
  });

  it.each(MODES)("arrive unchanged by %s reads, from the file they are in", (mode) => {
    const files = new ExpertFiles(table, mode);
    for (const key of model.keys) {
      EXPERT_PARTS.forEach((part, i) => {
        expect(Buffer.compare(files.read(key, i), model.bytes(key, part))).toBe(0);
      });
    }
    const all = model.keys.length * model.expertBytes;
    if (files.mode === "buffered") expect(files.fetchedBytes).toBe(all);
    else expect(files.fetchedBytes).toBeGreaterThan(all);
    files.close();
    files.close();
  });
});

describe("an aligned reader", () => {
  it.each(MODES)("reads any range by %s reads, also at the end of a file of odd size", (mode) => {
    const path = join(folder, `odd-${mode}`);
    const bytes = Uint8Array.from({ length: 10_007 }, (_, i) => (i * 31) % 251);
    writeFileSync(path, bytes);
    const reader = new AlignedReader(path, readBuffer(9000), mode);
    for (const [offset, size] of [
      [0, 1],
      [4095, 2],
      [4096, 4096],
      [1007, 9000],
      [10_006, 1],
    ] as const) {
      const read = reader.read(offset, size);
      expect(Buffer.compare(read, bytes.subarray(offset, offset + size))).toBe(0);
    }
    expect(reader.read(10_000, 100)).toHaveLength(7);
    expect(reader.read(20_000, 100)).toHaveLength(0);
    truncateSync(path, 5000);
    expect(reader.read(4990, 100)).toHaveLength(10);
    reader.close();
  });

  it("falls back to buffered reads where the file system has no O_DIRECT", () => {
    // /proc offers none; its files have no size, but a trial read tells.
    const reader = new AlignedReader("/proc/self/maps", readBuffer(100));
    expect(reader.mode).toBe("buffered");
    expect(reader.read(0, 10)).toHaveLength(10);
    reader.close();
  });

  it.each(MODES)("refuses a folder and a file that is not there in %s mode", (mode) => {
    mkdirSync(join(folder, "folder"), { recursive: true });
    const open = (name: string) => new AlignedReader(join(folder, name), readBuffer(1), mode);
    expect(() => open("folder")).toThrow(/EISDIR/);
    expect(() => open("none")).toThrow(/ENOENT/);
  });
});
