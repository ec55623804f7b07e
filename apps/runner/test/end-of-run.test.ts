import { DomainError } from "@fmlab/experiment";
import { GgufError } from "@fmlab/ggml";
import { describe, expect, it } from "vitest";
import { failureOf } from "../src/child/end-of-run.ts";

/** As it comes from another thread: the name is right, the class is not. */
function foreign(name: string, code: string): Error {
  const error = new DomainError(`${code} happened; do this`, { code });
  error.name = name;
  return error;
}

describe("what an error means for its run", () => {
  it.each([
    ["MoeError", "BAD_SETTING", "BAD_CONFIG"],
    ["MoeError", "BUDGET_TOO_SMALL", "BAD_CONFIG"],
    ["MoeError", "CONTEXT_TOO_SMALL", "BAD_CONFIG"],
    ["MoeError", "BAD_MODEL", "BAD_CONFIG"],
    ["EngineError", "BAD_OPTION", "BAD_CONFIG"],
    ["ExperimentError", "FORBIDDEN_PATH", "BAD_CONFIG"],
    ["ExperimentError", "MISSING_FILE", "MISSING_FILE"],
    ["GgufError", "TRUNCATED", "BAD_CONFIG"],
    ["GgufError", "UNREADABLE", "MISSING_FILE"],
  ])("is, for a %s %s, %s with its message and no stack", (name, code, told) => {
    const failure = failureOf(foreign(name, code), undefined);
    expect(failure).toEqual({ code: told, message: `${code} happened; do this` });
  });

  it("is the user's to mend for a malformed model file", () => {
    const found = { code: "WRONG_MAGIC", path: "m", position: 0, found: "x" } as const;
    expect(failureOf(new GgufError("no GGUF", found), undefined)).toEqual({
      code: "BAD_CONFIG",
      message: "no GGUF",
    });
  });

  it("is out of memory when a card has too little, explained or not", () => {
    const explained = failureOf(foreign("OutOfVramError", "OUT_OF_VRAM"), undefined);
    expect(explained).toEqual({
      code: "OUT_OF_MEMORY",
      message: "OUT_OF_VRAM happened; do this",
    });
    const bare = failureOf(foreign("GgmlError", "ALLOCATION_FAILED"), undefined);
    expect(bare).toMatchObject({ code: "OUT_OF_MEMORY" });
    expect(bare.detail).toContain("ALLOCATION_FAILED happened");
  });

  it("is the experiment's own for any other error, with a stack", () => {
    for (const error of [foreign("MoeError", "WORKER_DIED"), foreign("Other", "BAD_SETTING")]) {
      const failure = failureOf(error, undefined);
      expect(failure.code).toBe("EXPERIMENT_ERROR");
      expect(failure.detail).toContain(error.message);
    }
  });
});
