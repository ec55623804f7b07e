import { describe, expect, it } from "vitest";
import { z } from "zod";
import {
  barsSeriesSchema,
  SERIES_LIMITS,
  type SeriesInput,
  seriesSchema,
  seriesTable,
  stackTotal,
} from "../src/index.ts";
import { BARS } from "./pictures.ts";

type BarsInput = Extract<SeriesInput, { kind: "bars" }>;
const parse = (changed: Partial<BarsInput>) => barsSeriesSchema.parse({ ...BARS, ...changed });
const STACK: Partial<BarsInput> = {
  arrangement: "stacked",
  groups: [
    { name: "compute", values: [3, null] },
    { name: "wait", values: [4, null] },
  ],
};

describe("bars", () => {
  const REFUSED: [string, object, RegExp][] = [
    ["a group shorter than the categories", { groups: [{ name: "a", values: [1] }] }, /got 1/],
    [
      "an interval list longer than the categories",
      { groups: [{ name: "a", values: [1, 2], low: [0, 1, 2], high: [2, 3, 4] }] },
      /got 3/,
    ],
    ["a reference of another length", { references: [{ name: "r", value: [1] }] }, /got 1/],
    ["an infinite value", { groups: [{ name: "a", values: [1, Infinity] }] }, /expected number/],
    ["a NaN", { groups: [{ name: "a", values: [1, Number.NaN] }] }, /expected number/],
    ["an infinite reference", { references: [{ name: "r", value: -Infinity }] }, /nvalid input/],
    ["a category twice", { categories: ["0", "0"] }, /category "0" occurs twice/],
    [
      "a group and a reference of one name",
      { references: [{ name: "LRU", value: 1 }] },
      /are called "LRU"/,
    ],
    [
      "one end of an interval only",
      { groups: [{ name: "a", values: [1, 2], low: [0, 1] }] },
      /both `low` and `high`/,
    ],
    [
      "half-widths in the place of ends",
      { groups: [{ name: "a", values: [10, 20], low: [1, 1], high: [1, 1] }] },
      /ends are values, not widths/,
    ],
    [
      "an interval around nothing",
      { groups: [{ name: "a", values: [null, 2], low: [0, 1], high: [1, 3] }] },
      /needs its value/,
    ],
    [
      "a negative part of a stack",
      { arrangement: "stacked", groups: [{ name: "a", values: [1, -1] }] },
      /not negative/,
    ],
    [
      "intervals on a stack",
      {
        arrangement: "stacked",
        groups: [{ name: "a", values: [1, 1], low: [1, 1], high: [1, 1] }],
      },
      /shows no intervals/,
    ],
    [
      "an unknown provenance",
      { references: [{ name: "r", value: 1, provenance: "hearsay" }] },
      /./,
    ],
    ["a field it does not know", { colour: "red" }, /nrecognized key/],
    ["an empty name", { categories: ["", "1"] }, /Too small/],
    [
      "too many groups",
      {
        groups: Array.from({ length: SERIES_LIMITS.barGroups + 1 }, (_, i) => ({
          name: `g${i}`,
          values: [1, 2],
        })),
      },
      /Too big/,
    ],
  ];
  it.each(REFUSED)("refuse %s", (_, changed, message) => {
    const parsed = seriesSchema.safeParse({ ...BARS, ...changed });
    expect(parsed.success).toBe(false);
    // As both back ends tell it to the experiment's author.
    expect(parsed.error && z.prettifyError(parsed.error)).toMatch(message);
  });

  it("take an interval whose end is its value up to rounding", () => {
    const value = 0.1 + 0.2;
    const groups = [{ name: "a", values: [value, 1], low: [0.2, 1], high: [0.3, 1] }];
    expect(parse({ groups }).groups[0]?.high).toEqual([0.3, 1]);
  });

  it("take as many categories and groups as the limits say", () => {
    const categories = Array.from({ length: SERIES_LIMITS.barCategories }, (_, i) => String(i));
    const groups = Array.from({ length: SERIES_LIMITS.barGroups }, (_, i) => ({
      name: `policy ${i}`,
      values: categories.map(() => 1),
    }));
    expect(() => parse({ categories, groups, references: [] })).not.toThrow();
    const one = { name: "a", values: [...categories.map(() => 1), 1] };
    const more = { categories: [...categories, "more"], groups: [one], references: [] };
    expect(() => parse(more)).toThrowError(/Too big/);
  });

  it("have a table with intervals and references beside the values", () => {
    const { columns, rows } = seriesTable(parse({}));
    expect(columns.map((column) => column.title)).toEqual([
      "layer",
      "LRU",
      "LRU, low",
      "LRU, high",
      "ours",
      "claim",
      "bound",
    ]);
    expect(rows.map((row) => Object.values(row))).toEqual([
      ["0", 50, 48, 53, 60, 99, 80],
      ["1", null, null, null, 70, 99, 90],
    ]);
  });

  it("add up a stack, which has no total where no part has a value", () => {
    const stack = parse(STACK);
    expect(seriesTable(stack).rows.map((row) => row.total)).toEqual([7, null]);
    expect(stackTotal(stack, 0, (group) => group === 1)).toBe(4);
  });
});
