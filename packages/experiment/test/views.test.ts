import { describe, expect, it } from "vitest";
import {
  SERIES_KINDS,
  type Series,
  type SeriesInput,
  type SeriesKind,
  seriesSchema,
  seriesTable,
  tableSeriesSchema,
} from "../src/index.ts";
import { BARS, SCATTER } from "./pictures.ts";

const EXAMPLES: Record<SeriesKind, SeriesInput> = {
  line: {
    kind: "line",
    xLabel: "token",
    yLabel: "speed",
    yUnit: "tok/s",
    x: [1, 2],
    curves: [
      { name: "lru", y: [10, null] },
      { name: "all", y: [30, 31] },
    ],
  },
  heatmap: {
    kind: "heatmap",
    rowLabel: "layer",
    columnLabel: "expert",
    valueLabel: "uses",
    valueUnit: "%",
    rows: ["0", "1"],
    columns: ["a", "b"],
    values: [
      [1, 2],
      [null, 4],
    ],
  },
  timeline: {
    kind: "timeline",
    lanes: ["compute", "link"],
    events: [{ lane: 1, startMs: 5, endMs: 7.5, label: "expert 3", category: "load" }],
  },
  text: { kind: "text", blocks: [{ title: "Prompt 1", prompt: "Once", text: "upon" }] },
  table: {
    kind: "table",
    columns: [{ key: "k", title: "K", type: "number" }],
    rows: [{ k: 1 }, { k: null }],
  },
  bars: BARS,
  scatter: SCATTER,
};

const parse = (input: SeriesInput): Series => seriesSchema.parse(input);

describe("seriesTable", () => {
  it.each(SERIES_KINDS)("makes a valid table of a %s, whose rows have its columns only", (kind) => {
    const twin = seriesTable(parse(EXAMPLES[kind]));
    expect(tableSeriesSchema.parse(twin)).toEqual(twin);
    const keys = twin.columns.map((column) => column.key).sort();
    expect(new Set(keys).size).toBe(keys.length);
    for (const row of twin.rows) expect(Object.keys(row).sort()).toEqual(keys);
    expect(twin.rows.length).toBeGreaterThan(0);
  });

  it("gives a line one row for each x and one column, with its unit, for each curve", () => {
    const { columns, rows } = seriesTable(parse(EXAMPLES.line));
    expect(columns.map((c) => [c.title, c.unit])).toEqual([
      ["token", ""],
      ["lru", "tok/s"],
      ["all", "tok/s"],
    ]);
    expect(rows).toEqual([
      { x: 1, y0: 10, y1: 30 },
      { x: 2, y0: null, y1: 31 },
    ]);
  });

  it("gives a heatmap one row for each of its rows, with the unit of its values", () => {
    const { columns, rows } = seriesTable(parse(EXAMPLES.heatmap));
    expect(columns.map((c) => [c.title, c.unit])).toEqual([
      ["layer", ""],
      ["expert a", "%"],
      ["expert b", "%"],
    ]);
    expect(rows).toEqual([
      { row: "0", c0: 1, c1: 2 },
      { row: "1", c0: null, c1: 4 },
    ]);
  });

  it("gives a timeline one row for each bar, with lane name and duration", () => {
    expect(seriesTable(parse(EXAMPLES.timeline)).rows).toEqual([
      { lane: "link", label: "expert 3", category: "load", startMs: 5, durationMs: 2.5 },
    ]);
  });

  it("gives a text one row for each block and leaves a table as it is", () => {
    expect(seriesTable(parse(EXAMPLES.text)).rows).toEqual([
      { title: "Prompt 1", prompt: "Once", text: "upon" },
    ]);
    const table = parse(EXAMPLES.table);
    expect(seriesTable(table)).toBe(table);
  });
});

describe("seriesSchema", () => {
  it.each(SERIES_KINDS)("takes a %s again as it gave it, through files and requests", (kind) => {
    const first = parse(EXAMPLES[kind]);
    expect(seriesSchema.parse(JSON.parse(JSON.stringify(first)))).toEqual(first);
  });

  const REFUSED: [string, SeriesInput, RegExp][] = [
    [
      "a curve shorter than its x axis",
      { ...EXAMPLES.line, curves: [{ name: "lru", y: [10] }] } as SeriesInput,
      /one y for each x/,
    ],
    [
      "a ragged heatmap",
      { ...EXAMPLES.heatmap, values: [[1, 2], [3]] } as SeriesInput,
      /one cell for each column/,
    ],
    [
      "a bar on a lane that is not there",
      { ...EXAMPLES.timeline, lanes: ["compute"] } as SeriesInput,
      /on one of the lanes/,
    ],
    [
      "a bar that ends before it starts",
      {
        kind: "timeline",
        lanes: ["a"],
        events: [{ lane: 0, startMs: 2, endMs: 1, label: "", category: "" }],
      },
      /end before it starts/,
    ],
  ];
  it.each(REFUSED)("refuses %s", (_, input, message) => {
    expect(() => parse(input)).toThrowError(message);
  });

  it("refuses an unknown kind", () => {
    expect(seriesSchema.safeParse({ kind: "pie" }).success).toBe(false);
  });
});
