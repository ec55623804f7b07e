import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import {
  paretoFront,
  type ScatterSeries,
  SERIES_LIMITS,
  type SeriesInput,
  scatterSeriesSchema,
  seriesSchema,
  seriesTable,
} from "../src/index.ts";
import { SCATTER } from "./pictures.ts";

type ScatterInput = Extract<SeriesInput, { kind: "scatter" }>;
const parse = (changed: Partial<ScatterInput>) =>
  scatterSeriesSchema.parse({ ...SCATTER, ...changed });
const points = (...list: object[]) => ({ groups: [{ name: "a", points: list }] });

describe("scatter", () => {
  const REFUSED: [string, object, RegExp][] = [
    ["a point at 0 on a log axis", points({ x: 0, y: 1 }), /not above 0 on a log axis/],
    [
      "a bound below 0 on a log axis",
      {
        bounds: [
          {
            name: "b",
            points: [
              { x: -1, y: 1 },
              { x: 1, y: 1 },
            ],
          },
        ],
      },
      /not above 0 on a log axis/,
    ],
    ["a bound of one point", { bounds: [{ name: "b", points: [{ x: 1, y: 1 }] }] }, /Too small/],
    ["an infinite y", points({ x: 1, y: Infinity }), /expected number/],
    ["a NaN for x", points({ x: Number.NaN, y: 1 }), /expected number/],
    ["a point without x", points({ x: null, y: 1 }), /expected number/],
    ["a point without y's key", points({ x: 1 }), /expected number/],
    ["half-widths in the place of ends", points({ x: 9, y: 9, low: 1, high: 1 }), /not widths/],
    ["the same around x", points({ x: 9, y: 9, xLow: 1, xHigh: 1 }), /not widths/],
    ["one end of an interval", points({ x: 9, y: 9, low: 1 }), /both ends or none/],
    ["an interval around nothing", points({ x: 9, y: null, low: 1, high: 2 }), /needs its value/],
    [
      "a front where no end is better",
      { x: { label: "memory" } },
      /a Pareto front needs `better` on both axes/,
    ],
    [
      "a group and a bound of one name",
      { groups: [{ name: "link", points: [] }] },
      /are called "link"/,
    ],
    ["a field it does not know", points({ x: 1, y: 1, size: 3 }), /nrecognized key/],
    [
      "more points than can be drawn, spread over groups",
      {
        bounds: [],
        groups: ["a", "b"].map((name) => ({
          name,
          points: new Array(SERIES_LIMITS.scatterPoints / 2 + 1).fill({ x: 1, y: 1 }),
        })),
      },
      /at most 5000 points/,
    ],
  ];
  it.each(REFUSED)("refuses %s", (_, changed, message) => {
    const parsed = seriesSchema.safeParse({ ...SCATTER, ...changed });
    expect(parsed.success).toBe(false);
    // As both back ends tell it to the experiment's author.
    expect(parsed.error && z.prettifyError(parsed.error)).toMatch(message);
  });

  it("takes intervals that reach below 0 on a log axis", () => {
    const y = { label: "speed", scale: "log", better: "higher" } as const;
    const groups = [{ name: "a", points: [{ x: 1, y: 1, low: -1, high: 2 }] }];
    expect(() => parse({ y, groups })).not.toThrow();
  });

  it("has a table of points, with the front marked, and of bounds", () => {
    const { columns, rows } = seriesTable(parse({}));
    expect(columns.map((column) => column.title)).toEqual([
      "Group",
      "Point",
      "memory",
      "speed",
      "speed, low",
      "speed, high",
      "On the front",
    ]);
    expect(rows.map((row) => Object.values(row))).toEqual([
      ["LRU", "quarter", 10, 5, 4, 6, "no"],
      ["LRU", "", 20, null, null, null, "no"],
      ["ours", "", 10, 7, null, null, "yes"],
      ["link", "bound", 10, 8, null, null, null],
      ["link", "bound", 20, 9, null, null, null],
    ]);
  });
});

describe("the Pareto front", () => {
  const axis = fc.constantFrom("higher" as const, "lower" as const);
  // Few different values, so that equal points and equal coordinates are common.
  const point = fc.record({ x: fc.integer({ min: 0, max: 6 }), y: fc.integer({ min: 0, max: 6 }) });
  const groups = fc.array(fc.array(point, { maxLength: 12 }), { maxLength: 3 });

  it("holds exactly the points that no other beats, in the order of x", () => {
    fc.assert(
      fc.property(axis, axis, groups, (xBetter, yBetter, lists) => {
        const series = {
          x: { label: "x", unit: "", scale: "linear", better: xBetter },
          y: { label: "y", unit: "", scale: "linear", better: yBetter },
          groups: lists.map((list, i) => ({
            name: String(i),
            joined: false,
            points: list.map((one) => ({ ...one, label: "" })),
          })),
        } satisfies Pick<ScatterSeries, "x" | "y" | "groups">;
        const front = paretoFront(series);
        const at = ({ group, point }: { group: number; point: number }) => lists[group]?.[point];
        const xs = front.map((ref) => at(ref)?.x ?? Number.NaN);
        expect(xs).toEqual([...xs].sort((a, b) => a - b));
        const found = front.map(({ group, point }) => `${group}:${point}`).sort();
        expect(found).toEqual(unbeaten(lists, xBetter, yBetter).sort());
      }),
      { seed: 7, numRuns: 200 },
    );
  });

  it("counts shown groups only, and is empty where no end is better", () => {
    const series = parse({});
    expect(paretoFront(series, (group) => group === 0)).toEqual([{ group: 0, point: 0 }]);
    expect(paretoFront({ ...series, y: { ...series.y, better: "none" } })).toEqual([]);
  });
});

/** The definition, word for word. */
function unbeaten(
  lists: { x: number; y: number }[][],
  xBetter: "higher" | "lower",
  yBetter: "higher" | "lower",
): string[] {
  const sign = (better: "higher" | "lower") => (better === "higher" ? 1 : -1);
  const all = lists.flatMap((list, group) =>
    list.map(({ x, y }, at) => ({
      name: `${group}:${at}`,
      x: x * sign(xBetter),
      y: y * sign(yBetter),
    })),
  );
  return all
    .filter((a) => !all.some((b) => b.x >= a.x && b.y >= a.y && (b.x > a.x || b.y > a.y)))
    .map(({ name }) => name);
}
