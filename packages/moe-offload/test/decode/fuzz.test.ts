import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { smallModel } from "../model/small-model.ts";
import { SHIPPED_MODEL } from "../shipped-model.ts";

const folder = mkdtempSync(join(tmpdir(), "fmlab-fuzz-"));
afterAll(() => rmSync(folder, { recursive: true }));
const child = fileURLToPath(new URL("./fuzz-child.mjs", import.meta.url));
const small = join(folder, "small.gguf");
writeFileSync(small, smallModel());

describe("opening and running mutated models", () => {
  it.each([
    ["a small model", small, 800, 11],
    ["the shipped model", SHIPPED_MODEL, 60, 12],
  ])(
    "of %s gives results or domain errors, never a crash, a hang or a flood",
    (_, path, count, seed) => {
      const target = join(folder, "mutant.gguf");
      const args = ["--max-old-space-size=512", child, path, target, String(count), String(seed)];
      const ended = spawnSync(process.execPath, args, {
        encoding: "utf8",
        timeout: 240_000,
        maxBuffer: 1 << 26,
      });
      const last = ended.stderr.trimEnd().split("\n").slice(-15).join("\n");
      expect({ status: ended.status, signal: ended.signal }, last).toEqual({
        status: 0,
        signal: null,
      });
      const told = JSON.parse(ended.stdout) as {
        codes: Record<string, number>;
        slowestMs: number;
        maxRssBytes: number;
      };
      const total = Object.values(told.codes).reduce((a, b) => a + b, 0);
      expect(total).toBe(count);
      // Both ends must be reached: mutants that still run, and failures of many kinds.
      expect(told.codes.ran ?? 0).toBeGreaterThan(0);
      expect(Object.keys(told.codes).length).toBeGreaterThanOrEqual(6);
      expect(told.slowestMs).toBeLessThan(20_000);
      expect(told.maxRssBytes).toBeLessThan(1.5e9);
    },
    250_000,
  );
});
