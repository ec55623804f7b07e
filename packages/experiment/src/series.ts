import { z } from "zod";
import { barsSeriesSchema } from "./series-bars.ts";
import { scatterSeriesSchema } from "./series-scatter.ts";

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

/** The category of timeline events that are waiting: drawn as bubbles, with their totals. */
export const STALL_CATEGORY = "stall";

/**
 * Bars on lanes over time, in ms from the timeline's own zero. Events of the category `stall` are
 * bubbles: time in which the lane could not work.
 */
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
  barsSeriesSchema,
  scatterSeriesSchema,
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
export const SERIES_KINDS = [
  "line",
  "heatmap",
  "timeline",
  "text",
  "table",
  "bars",
  "scatter",
] as const;
