import { describe, expect, it } from "vitest";
import { checkSettings, initialSettings, launchSource } from "../src/features/launch/draft.ts";
import { countedSeeds, listedSeeds } from "../src/features/launch/seeds.ts";

describe("seeds", () => {
  it("counts up from the first", () => {
    expect(countedSeeds("3", "10")).toEqual({ seeds: [10, 11, 12] });
  });

  it.each([
    ["0", "0"],
    ["1001", "0"],
    ["1.5", "0"],
    ["", "0"],
    ["1", "-1"],
    ["2", "9007199254740991"],
  ])("refuses %s seeds from %s", (count, first) => {
    expect(countedSeeds(count, first)).toEqual({ problem: expect.any(String) });
  });

  it("tell both problems when the count and the first seed are wrong", () => {
    expect(countedSeeds("0", "x")).toEqual({
      problem: expect.stringMatching(/^The number of seeds is .*\. The first seed is /),
    });
    expect(countedSeeds("0", "5")).toEqual({ problem: expect.not.stringContaining("first") });
    expect(countedSeeds("2", "x")).toEqual({ problem: expect.not.stringContaining("number of") });
  });

  it("reads lists with ranges and takes no seed twice", () => {
    expect(listedSeeds("0-3, 7 2;42")).toEqual({ seeds: [0, 1, 2, 3, 7, 42] });
  });

  it("takes exactly a thousand and no more", () => {
    expect(listedSeeds("1-1000")).toMatchObject({ seeds: { length: 1000 } });
    expect(listedSeeds("0-1000")).toEqual({ problem: expect.stringContaining("1,001 seeds") });
    expect(listedSeeds("0-999, 2000")).toEqual({ problem: expect.stringContaining("1,001 seeds") });
  });

  it.each(["", "a", "3-1", "1--2", "1-2-x", "-5"])("refuses the list %j", (text) => {
    expect(listedSeeds(text)).toEqual({ problem: expect.any(String) });
  });
});

describe("launch settings", () => {
  it("start as the server's defaults with the cloned run's seed", () => {
    expect(checkSettings(initialSettings(5))).toEqual({
      ok: true,
      value: { seeds: [5], repeats: 1, priority: 0, timeLimitSec: 3600, maxAttempts: 3 },
    });
  });

  it("tell every wrong field", () => {
    const settings = { ...initialSettings(null), seedCount: "x", maxAttempts: "11", priority: "" };
    const checked = checkSettings(settings);
    expect(checked.ok ? [] : checked.problems.map((p) => p.path)).toEqual([
      "seeds",
      "priority",
      "maxAttempts",
    ]);
  });
});

describe("what a launch names as its config", () => {
  const preset = { name: "quick", config: { a: 1, b: 2 } };
  const revision = { id: "r1", name: "mine", number: 2, config: { a: 5 } };

  it("names the preset or the revision while it is unchanged", () => {
    expect(launchSource({ b: 2, a: 1 }, preset, null)).toEqual({ preset: "quick" });
    expect(launchSource({ a: 5 }, null, revision)).toEqual({ configRevisionId: "r1" });
  });

  it("sends the config itself once anything was changed", () => {
    expect(launchSource({ a: 1, b: 3 }, preset, null)).toEqual({ config: { a: 1, b: 3 } });
    expect(launchSource({ a: 6 }, null, revision)).toEqual({ config: { a: 6 } });
  });
});
