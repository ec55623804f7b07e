import { closeSync, ftruncateSync, openSync, readFileSync, writeSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { GgufError, openGguf } from "../../src/gguf/index.ts";
import { fieldMap } from "./field-map.ts";
import { mutate, seededRandom } from "./mutate.ts";
import { SHIPPED_MODEL, smallFile, temporaryFiles } from "./samples.ts";

/** Slowest time a single file may take; a healthy parse of the shipped model takes some 15 ms. */
const PARSE_MS_MAX = 2000;

describe("mutated GGUF files", () => {
  const put = temporaryFiles();

  it.each([
    ["a small hand-made file", smallFile(), 1500, 1],
    ["the shipped model's header", readFileSync(SHIPPED_MODEL), 1000, 2],
  ])("of %s are read or refused with a domain error", (_, whole, count, seed) => {
    const { fields, headerEnd } = fieldMap(whole);
    const original = { header: whole.slice(0, headerEnd), fields, fileBytes: whole.length };
    const random = seededRandom(seed);
    const path = put(whole.subarray(0, 0));
    const codes = new Map<string, number>();
    const heapBefore = process.memoryUsage().rss;
    for (let i = 0; i < count; i++) {
      const mutant = mutate(original, random);
      overwrite(path, mutant.header, mutant.fileBytes);
      const startMs = performance.now();
      const code = codeOf(path, mutant.how);
      expect(performance.now() - startMs, mutant.how).toBeLessThan(PARSE_MS_MAX);
      codes.set(code, (codes.get(code) ?? 0) + 1);
    }
    // Mutants must reach deep and differ; a fuzzer that only ever breaks the magic proves nothing.
    expect(codes.size).toBeGreaterThanOrEqual(6);
    expect(codes.get("read") ?? 0).toBeLessThan(count * 0.9);
    expect(codes.get("WRONG_MAGIC") ?? 0).toBeLessThan(count * 0.2);
    expect(process.memoryUsage().rss - heapBefore).toBeLessThan(512 * 1024 * 1024);
  });
});

/** The data part is left sparse: parsing reads none of it. */
function overwrite(path: string, header: Uint8Array, fileBytes: number): void {
  const fd = openSync(path, "w");
  writeSync(fd, header, 0, Math.min(header.length, fileBytes), 0);
  ftruncateSync(fd, fileBytes);
  closeSync(fd);
}

function codeOf(path: string, how: string): string {
  try {
    openGguf(path).close();
    return "read";
  } catch (error) {
    if (error instanceof GgufError) return error.code;
    throw new Error(`not a domain error for: ${how}`, { cause: error });
  }
}
