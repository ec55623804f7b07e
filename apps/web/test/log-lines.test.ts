import { describe, expect, it } from "vitest";
import { failureAdvice } from "../src/features/run/failure-advice.ts";
import { atLeast, type FollowedLog, LINES_KEPT, mergeLog } from "../src/features/run/log-lines.ts";
import { rowAfterKey } from "../src/features/runs/row-after-key.ts";

const line = (no: number, level: "debug" | "info" | "warn" | "error" = "info") => ({
  no,
  t: no,
  level,
  text: `line ${no}`,
});
const log = (attempt: number, from: number, to: number): FollowedLog => ({
  attempt,
  lines: Array.from({ length: to - from + 1 }, (_, i) => line(from + i)),
  nextLine: to,
  total: to,
});

describe("a followed log", () => {
  it("adds what is new and never a line twice", () => {
    const merged = mergeLog(log(1, 1, 5), log(1, 4, 8));
    expect(merged.lines.map((l) => l.no)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect(merged).toMatchObject({ nextLine: 8, total: 8 });
  });

  it("starts anew with another attempt", () => {
    expect(mergeLog(log(1, 1, 5), log(2, 1, 2))).toEqual(log(2, 1, 2));
  });

  it("keeps the latest lines when there are too many", () => {
    const merged = mergeLog(log(1, 1, LINES_KEPT), log(1, LINES_KEPT + 1, LINES_KEPT + 10));
    expect(merged.lines).toHaveLength(LINES_KEPT);
    expect(merged.lines[0]?.no).toBe(11);
  });

  it("shows lines from a level upwards", () => {
    const lines = [line(1, "debug"), line(2), line(3, "warn"), line(4, "error")];
    expect(atLeast(lines, "warn").map((l) => l.no)).toEqual([3, 4]);
    expect(atLeast(lines, "debug")).toHaveLength(4);
  });
});

describe("keys in the runs table", () => {
  it("walk rows and stop at both ends", () => {
    expect(rowAfterKey("j", null, 3)).toBe(0);
    expect(rowAfterKey("j", 2, 3)).toBe(2);
    expect(rowAfterKey("k", 0, 3)).toBe(0);
    expect(rowAfterKey("ArrowDown", 0, 3)).toBe(1);
    expect(rowAfterKey("x", 0, 3)).toBeNull();
    expect(rowAfterKey("j", null, 0)).toBeNull();
  });
});

describe("advice after a failure", () => {
  it("knows every failure and says something useful of an unknown one", () => {
    expect(failureAdvice("HOST_LOST").title).toContain("machine");
    expect(failureAdvice("SOMETHING_NEW").advice).toContain("log");
  });
});
