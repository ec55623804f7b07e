import { z } from "zod";

/**
 * Domain pictures. A run writes *series* (named data of one kind); a definition lists *views*, each
 * naming the series it draws. Every kind has one schema here and one component in apps/web, and can
 * be told as a table (`seriesTable`), so that no picture is the only way to its numbers.
 */

/** Curves over a shared x axis; `null` is a gap. */
export const lineSeriesSchema = z
  .object({
    kind: z.literal("line"),
    xLabel: z.string(),
    yLabel: z.string(),
    yUnit: z.string().default(""),
    x: z.array(z.number()),
    curves: z.array(z.object({ name: z.string(), y: z.array(z.number().nullable()) })),
  })
  .refine(({ x, curves }) => curves.every(({ y }) => y.length === x.length), {
    message: "every curve must have one y for each x",
  });

/** A matrix of cells, row-major `[rows.length][columns.length]`; `null` is no data. */
export const heatmapSeriesSchema = z
  .object({
    kind: z.literal("heatmap"),
    rowLabel: z.string(),
    columnLabel: z.string(),
    valueLabel: z.string(),
    valueUnit: z.string().default(""),
    rows: z.array(z.string()),
    columns: z.array(z.string()),
    values: z.array(z.array(z.number().nullable())),
  })
  .refine(
    ({ rows, columns, values }) =>
      values.length === rows.length && values.every((row) => row.length === columns.length),
    { message: "values must have one list for each row, with one cell for each column" },
  );

/** Bars on lanes over time, in ms from the timeline's own zero. */
export const timelineSeriesSchema = z
  .object({
    kind: z.literal("timeline"),
    lanes: z.array(z.string()),
    events: z.array(
      z.object({
        lane: z.number().int().min(0),
        startMs: z.number(),
        endMs: z.number(),
        label: z.string(),
        category: z.string(),
      }),
    ),
    /** What was left out, when not everything was recorded, e.g. `tokens 0..31 of 256`. */
    note: z.string().default(""),
  })
  .refine(({ lanes, events }) => events.every(({ lane }) => lane < lanes.length), {
    message: "every event must lie on one of the lanes",
  })
  .refine(({ events }) => events.every(({ startMs, endMs }) => startMs <= endMs), {
    message: "no event may end before it starts",
  });

/** Plain text, e.g. what a model generated. */
export const textSeriesSchema = z.object({
  kind: z.literal("text"),
  blocks: z.array(
    z.object({ title: z.string(), prompt: z.string().default(""), text: z.string() }),
  ),
});

/** Rows of named, typed columns. */
export const tableSeriesSchema = z.object({
  kind: z.literal("table"),
  columns: z.array(
    z.object({
      key: z.string(),
      title: z.string(),
      unit: z.string().default(""),
      type: z.enum(["number", "text"]),
    }),
  ),
  rows: z.array(z.record(z.string(), z.union([z.number(), z.string(), z.null()]))),
});

/** The data of any picture, told apart by `kind`. */
export const seriesSchema = z.discriminatedUnion("kind", [
  lineSeriesSchema,
  heatmapSeriesSchema,
  timelineSeriesSchema,
  textSeriesSchema,
  tableSeriesSchema,
]);

export type LineSeries = z.infer<typeof lineSeriesSchema>;
export type HeatmapSeries = z.infer<typeof heatmapSeriesSchema>;
export type TimelineSeries = z.infer<typeof timelineSeriesSchema>;
export type TextSeries = z.infer<typeof textSeriesSchema>;
export type TableSeries = z.infer<typeof tableSeriesSchema>;
export type Series = z.infer<typeof seriesSchema>;
export type SeriesInput = z.input<typeof seriesSchema>;
/** Which picture a series is. */
export type SeriesKind = Series["kind"];
/** All kinds there are. */
export const SERIES_KINDS = ["line", "heatmap", "timeline", "text", "table"] as const;

/** One picture on the run page. */
export interface ViewSpec {
  kind: SeriesKind;
  /** Name of the series it draws (`series/<name>.json` in a run folder). */
  series: string;
  title: string;
  /** One sentence under the title: what to look for. */
  help: string;
}

const view =
  (kind: SeriesKind) =>
  (series: string, title: string, help: string): ViewSpec => ({ kind, series, title, help });

/** A view of curves: `line("series", "Title", "What to look for.")`. */
export const line = view("line");
/** A view of a matrix of cells. */
export const heatmap = view("heatmap");
/** A view of bars on lanes over time. */
export const timeline = view("timeline");
/** A view of texts. */
export const text = view("text");
/** A view of rows and columns. */
export const table = view("table");

/** The table twin of a picture: the same numbers as rows, for screen readers and export. */
export function seriesTable(series: Series): TableSeries {
  const number = (key: string, title: string, unit = "") =>
    ({ key, title, unit, type: "number" }) as const;
  const words = (key: string, title: string) => ({ key, title, unit: "", type: "text" }) as const;
  switch (series.kind) {
    case "table":
      return series;
    case "line":
      return {
        kind: "table",
        columns: [
          number("x", series.xLabel),
          ...series.curves.map((c, i) => number(`y${i}`, c.name, series.yUnit)),
        ],
        rows: series.x.map((x, at) => ({
          x,
          ...Object.fromEntries(series.curves.map((c, i) => [`y${i}`, c.y[at] ?? null])),
        })),
      };
    case "heatmap":
      return {
        kind: "table",
        columns: [
          words("row", series.rowLabel),
          ...series.columns.map((name, i) =>
            number(`c${i}`, `${series.columnLabel} ${name}`, series.valueUnit),
          ),
        ],
        rows: series.rows.map((row, r) => ({
          row,
          ...Object.fromEntries(
            series.columns.map((_, c) => [`c${c}`, series.values[r]?.[c] ?? null]),
          ),
        })),
      };
    case "timeline":
      return {
        kind: "table",
        columns: [
          words("lane", "Lane"),
          words("label", "What"),
          words("category", "Kind"),
          number("startMs", "Start", "ms"),
          number("durationMs", "Duration", "ms"),
        ],
        rows: series.events.map((e) => ({
          lane: series.lanes[e.lane] ?? String(e.lane),
          label: e.label,
          category: e.category,
          startMs: e.startMs,
          durationMs: e.endMs - e.startMs,
        })),
      };
    case "text":
      return {
        kind: "table",
        columns: [words("title", "Title"), words("prompt", "Prompt"), words("text", "Text")],
        rows: series.blocks.map((b) => ({ title: b.title, prompt: b.prompt, text: b.text })),
      };
  }
}
