import { describe, expect, it } from "vitest";
import { EXIT, exitCodeOfError } from "../src/cli/exit-code.ts";
import { parseRunId, parseStates } from "../src/cli/server-client.ts";
import { RunnerError } from "../src/errors.ts";
import { readableRefusal } from "../src/readable-refusal.ts";

const refusal = (reason: string) => new RunnerError("no", { code: "SERVER_REFUSED", reason });

describe("a refusal by the server", () => {
  it("of an input is told field by field", () => {
    const issues = [
      { code: "too_big", path: ["timeLimitSec"], message: "Too big: expected number to be <=1" },
      { code: "custom", path: [], message: "Odd" },
    ];
    expect(readableRefusal(JSON.stringify(issues, null, 2))).toBe(
      "the server refuses this: timeLimitSec: Too big: expected number to be <=1; Odd",
    );
  });

  it("in words is left as it is", () => {
    for (const text of ["no such run", "[]", '["a"]', '{"message":"m"}', "[1"]) {
      expect(readableRefusal(text)).toBe(text);
    }
  });

  it("of an input is wrong usage, any other one the server's", () => {
    expect(exitCodeOfError(refusal("BAD_REQUEST"))).toBe(EXIT.usage);
    expect(exitCodeOfError(refusal("FORBIDDEN"))).toBe(EXIT.server);
  });
});

describe("what is checked before the server is asked", () => {
  it("are run ids", () => {
    const id = "1f0c7b52-8f0e-4d5c-9d1c-3c1f7f3c9a10";
    expect(parseRunId(id)).toBe(id);
    expect(() => parseRunId("not-a-uuid")).toThrow('"not-a-uuid" is no run id');
  });

  it("are states", () => {
    expect(parseStates("running, QUEUED")).toEqual(["RUNNING", "QUEUED"]);
    expect(() => parseStates("FOO,FAILED")).toThrow("--state FOO is no state; states are QUEUED");
  });
});
