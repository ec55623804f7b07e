import { describe, expect, it } from "vitest";
import { claimSchema } from "../src/index.ts";

const claim = {
  format: 1,
  title: "LRU is faster",
  statement: "LRU decodes faster than load on demand.",
  source: { paper: "arXiv:0000.00000", section: "5" },
  provenance: "paper",
  runs: {
    kind: "moe-offload.decode",
    groups: { lru: { config: { policy: "lru" } }, demand: { preset: "load-on-demand" } },
  },
  measure: { of: "ratio", left: "lru", right: "demand", quantity: { summary: "speed" } },
  expected: { atLeast: 1 },
};

const problemsOf = (change: object): string[] => {
  const parsed = claimSchema.safeParse({ ...claim, ...change });
  return parsed.success ? [] : parsed.error.issues.map((issue) => issue.message);
};

describe("claimSchema", () => {
  it("fills in what a claim need not say", () => {
    expect(claimSchema.parse(claim)).toMatchObject({
      runs: { seedsMin: 3, fidelity: ["measured", "emulated"] },
      measure: { pairedBy: "seed" },
      unit: "",
      note: "",
    });
  });

  it("refuses a measure of a group that is not there", () => {
    const measure = { of: "value", group: "fifo", quantity: { summary: "speed" } };
    expect(problemsOf({ measure })).toEqual([
      'names the group "fifo", which runs.groups does not have',
    ]);
  });

  it("expects sameness of a measure of sameness, and of no other", () => {
    const message = '"same" is expected of a measure of "same", and of no other';
    expect(problemsOf({ expected: { same: true } })).toEqual([message]);
    const measure = { of: "same", groups: ["lru", "demand"], quantity: { summary: "text" } };
    expect(problemsOf({ measure })).toEqual([message]);
    expect(problemsOf({ measure, expected: { same: true } })).toEqual([]);
  });

  it.each<[string, object]>([
    ["a misspelt field", { statment: "x" }],
    ["an unknown provenance", { provenance: "rumour" }],
    ["a tolerance without a value", { expected: { tolerance: { relative: 0.1 } } }],
    ["two expectations at once", { expected: { atLeast: 1, atMost: 2 } }],
    ["a negative tolerance", { expected: { value: 1, tolerance: { absolute: -1 } } }],
    ["no source", { source: { paper: "" } }],
    ["a later format", { format: 2 }],
  ])("refuses %s", (_, change) => {
    expect(problemsOf(change).length).toBeGreaterThan(0);
  });
});
