import type { MetricSpec } from "@fmlab/experiment";
import { experiments } from "@fmlab/registry";
import { describe, expect, it } from "vitest";
import { groupExperiments } from "../src/features/launch/experiment-groups.ts";
import { headlineKeys, keyResults } from "../src/features/runs/key-results.ts";

describe("lists of experiments", () => {
  it("are grouped by research package, none lost, each package with a title of its own", () => {
    const all = [...experiments.values()];
    const groups = groupExperiments(all);
    expect(groups.flatMap((group) => group.experiments)).toHaveLength(all.length);
    for (const { name, title, experiments: members } of groups) {
      expect(title, `add a title for ${name} to experiment-groups.ts`).not.toBe(name);
      expect(members.every(({ kind }) => kind.startsWith(`${name}.`))).toBe(true);
    }
  });
});

describe("key results", () => {
  const metric = (title: string, headline: boolean): MetricSpec => ({
    title,
    unit: "ms",
    better: "lower",
    help: "h",
    measured: false,
    headline,
  });
  const declared: { kind: string; metrics: Record<string, MetricSpec> }[] = [
    { kind: "a.one", metrics: { rest: metric("Rest", false), cost: metric("Cost", true) } },
    { kind: "a.two", metrics: { cost: metric("Price", true), time: metric("Time", true) } },
    { kind: "a.three", metrics: { rest: metric("Rest", false) } },
  ];

  it("are the first headline of each experiment, in its own words", () => {
    expect([...keyResults(declared)]).toEqual([
      ["a.one", { key: "cost", title: "Cost", unit: "ms" }],
      ["a.two", { key: "cost", title: "Price", unit: "ms" }],
    ]);
  });

  it("stand among the headlines, of which each key comes once", () => {
    expect(headlineKeys(declared)).toEqual(["cost", "time"]);
  });

  it("are declared by every experiment there is", () => {
    const found = keyResults(experiments.values());
    expect([...experiments.keys()].filter((kind) => !found.has(kind))).toEqual([]);
  });
});
