import { describe, expect, it } from "vitest";
import { humanise } from "../src/features/launch/humanise.ts";
import { formatBytes, formatNumber, formatValue, plural } from "../src/ui/format/number.ts";
import { formatAgo, formatClock, formatDuration } from "../src/ui/format/time.ts";

describe("numbers", () => {
  it.each([
    [0, "0"],
    [12_345, "12,345"],
    [34.0312, "34.03"],
    [0.12345, "0.1235"],
    [1_234.56, "1,235"],
    [-2.5, "-2.5"],
    [2.5e12, "2.50e+12"],
    [0.00001234, "1.23e-5"],
    [null, "–"],
    [Number.NaN, "–"],
  ])("tells %d as %s", (value, text) => {
    expect(formatNumber(value)).toBe(text);
  });

  it("scales bytes by 1024 and leaves other units alone", () => {
    expect(formatBytes(1023)).toBe("1,023 B");
    expect(formatBytes(1536)).toBe("1.5 KiB");
    expect(formatBytes(268_435_456)).toBe("256 MiB");
    expect(formatValue(2_715_648, "B")).toBe("2.59 MiB");
    expect(formatValue(34.03, "tok/s")).toBe("34.03 tok/s");
    expect(formatValue(null, "ms")).toBe("–");
  });

  it("counts things in words", () => {
    expect([plural(1, "run"), plural(0, "run"), plural(1_200, "run")]).toEqual([
      "1 run",
      "0 runs",
      "1,200 runs",
    ]);
  });
});

describe("durations", () => {
  it.each([
    [0, "0 ms"],
    [999, "999 ms"],
    [1_000, "1.0 s"],
    [59_940, "59.9 s"],
    [59_960, "1 m 00 s"],
    [185_000, "3 m 05 s"],
    [7_800_000, "2 h 10 m"],
    [273_600_000, "3 d 4 h"],
    [-5, "0 ms"],
    [null, "–"],
  ])("tells %d ms as %s", (ms, text) => {
    expect(formatDuration(ms)).toBe(text);
  });

  it("tells how long ago, and calls a clock that runs a little ahead now", () => {
    const now = new Date("2026-11-23T12:00:00Z");
    const ago = (ms: number) => formatAgo(new Date(now.getTime() - ms), now);
    expect([ago(3_000), ago(30_000), ago(300_000), ago(7_200_000), ago(200_000_000)]).toEqual([
      "just now",
      "30 s ago",
      "5 min ago",
      "2 h ago",
      "2 d ago",
    ]);
    expect(ago(-20_000)).toBe("just now");
    expect(ago(-86_400_000 * 3)).toBe("in 3 d");
  });

  it("tells log times to the millisecond", () => {
    expect(formatClock(12_345)).toBe("00:12.345");
    expect(formatClock(3_723_004)).toBe("1:02:03.004");
  });
});

describe("config names", () => {
  it.each([
    ["budgetMiB", "Budget", "MiB"],
    ["bandwidthMBps", "Bandwidth", "MB/s"],
    ["latencyUs", "Latency", "µs"],
    ["maxTokens", "Max tokens", ""],
    ["topK", "Top k", ""],
    ["timeLimitSec", "Time limit", "s"],
    ["seed", "Seed", ""],
    ["startTps", "Start", "tx/s"],
    ["farRttMs", "Far RTT", "ms"],
    ["tps", "TPS", ""],
    ["ms", "Ms", ""],
  ])("reads %s as %s in %s", (name, title, unit) => {
    expect(humanise(name)).toEqual({ title, unit });
  });
});
