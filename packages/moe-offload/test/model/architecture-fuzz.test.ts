import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { SUPPORTED_ARCHITECTURES } from "../../src/model/architectures.ts";
import { fuzzArchitecture, fuzzKeys } from "./architecture-fuzz.ts";

const folder = mkdtempSync(join(tmpdir(), "fmlab-architecture-fuzz-"));
afterAll(() => rmSync(folder, { recursive: true }));

describe.each(SUPPORTED_ARCHITECTURES)("a small %s model", (architecture) => {
  const path = join(folder, `${architecture}.gguf`);

  it("with a damaged header is computed, or refused with a domain error", () => {
    const outcomes = fuzzArchitecture(architecture, 100, 11, path);
    expect(outcomes.get("computed") ?? 0).toBeGreaterThan(0);
    expect(outcomes.size).toBeGreaterThan(4);
  });

  it("with odd values in its metadata is computed, or refused with a domain error", () => {
    const outcomes = fuzzKeys(architecture, 120, 12, path);
    expect(outcomes.get("computed") ?? 0).toBeGreaterThan(0);
    for (const code of ["WRONG_KEY", "BAD_MODEL", "UNSUPPORTED_FEATURE"]) {
      expect(outcomes.get(code) ?? 0).toBeGreaterThan(0);
    }
  });
});
