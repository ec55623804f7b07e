import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { defineExperiment } from "@fmlab/experiment";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { changesFields, parseSeeds, readConfig } from "../src/cli/config-input.ts";
import { temporaryFolder } from "./fixtures/command.ts";

const definition = defineExperiment({
  kind: "test.config",
  version: 1,
  title: "Config",
  question: "Is the config read?",
  config: z.object({
    name: z.string().default("a"),
    count: z.number().default(1),
    link: z.object({ mbps: z.number().default(5), on: z.boolean().default(true) }).prefault({}),
    list: z.array(z.string()).default([]),
  }),
  presets: { p: { title: "", description: "", config: { count: 2 }, everywhere: true } },
  requires: () => ({}),
  fidelity: () => "simulated",
  metrics: { m: { title: "m", unit: "", better: "none", help: "m.", measured: false } },
  views: [],
  load: () => Promise.reject(new Error("not run here")),
});

const budgeted = {
  ...definition,
  config: z.object({ vram: z.string().default(""), linkSpeed: z.string().default("") }),
};

describe("budgets by name", () => {
  it("set the fields for them, before single fields are set", () => {
    expect(readConfig(budgeted, { vram: "8GiB", link: "12GB/s", set: [] })).toEqual({
      vram: "8GiB",
      linkSpeed: "12GB/s",
    });
    expect(readConfig(budgeted, { vram: "8GiB", set: ["vram=6GiB"] }).vram).toBe("6GiB");
  });

  it("are refused where an experiment has none", () => {
    expect(() => readConfig(definition, { vram: "8GiB", set: [] })).toThrow(
      /--vram 8GiB: test.config has no such budget/,
    );
    expect(() => readConfig(definition, { link: "1GB/s", set: [] })).toThrow(/--link 1GB\/s/);
  });

  it("make a config another than its preset's", () => {
    expect(changesFields({ preset: "p", set: [] })).toBe(false);
    expect(changesFields({ preset: "p", set: ["count=1"] })).toBe(true);
    expect(changesFields({ preset: "p", set: [], vram: "8GiB" })).toBe(true);
    expect(changesFields({ preset: "p", set: [], link: "1GB/s" })).toBe(true);
  });
});

describe("a config", () => {
  it("is the defaults, then a preset or a file, then what is set", () => {
    const file = join(temporaryFolder(), "c.json");
    writeFileSync(file, JSON.stringify({ link: { mbps: 7 } }));
    expect(readConfig(definition, { set: [] })).toMatchObject({ count: 1, link: { mbps: 5 } });
    expect(readConfig(definition, { preset: "p", set: ["link.mbps=9"] })).toMatchObject({
      count: 2,
      link: { mbps: 9, on: true },
    });
    expect(readConfig(definition, { config: file, set: ["link.on=false"] })).toMatchObject({
      link: { mbps: 7, on: false },
    });
  });

  it("takes values as JSON where they are, otherwise as text", () => {
    const set = ["name=x=y", 'list=["a","b"]', "count=1e3"];
    expect(readConfig(definition, { set })).toMatchObject({
      name: "x=y",
      list: ["a", "b"],
      count: 1_000,
    });
  });

  it.each([["count"], ["=3"], ["a..b=1"], ["name.x=1"], ["__proto__.x=1"]])(
    "refuses --set %s",
    (set) => {
      expect(() => readConfig(definition, { set: [set] })).toThrow(/--set/);
    },
  );

  it("refuses a preset and a file at once", () => {
    expect(() => readConfig(definition, { preset: "p", config: "x", set: [] })).toThrow("not both");
  });
});

describe("seeds", () => {
  it("are a count or a list", () => {
    expect(parseSeeds("3")).toEqual([0, 1, 2]);
    expect(parseSeeds("1, 5,9")).toEqual([1, 5, 9]);
    for (const wrong of ["0", "1001", "a", "1,-2", "", "1.5"])
      expect(() => parseSeeds(wrong)).toThrow("--seeds");
  });
});
