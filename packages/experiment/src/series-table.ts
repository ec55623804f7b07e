import type { Series, TableSeries } from "./series.ts";
import type { BarsSeries } from "./series-bars.ts";
import { paretoFront, type ScatterSeries } from "./series-scatter.ts";

const number = (key: string, title: string, unit = "") =>
  ({ key, title, unit, type: "number" }) as const;
const words = (key: string, title: string) => ({ key, title, unit: "", type: "text" }) as const;

/** The table twin of a picture: the same numbers as rows, for screen readers and export. */
export function seriesTable(series: Series): TableSeries {
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
    case "bars":
      return barsTable(series);
    case "scatter":
      return scatterTable(series);
    case "text":
      return {
        kind: "table",
        columns: [words("title", "Title"), words("prompt", "Prompt"), words("text", "Text")],
        rows: series.blocks.map((b) => ({ title: b.title, prompt: b.prompt, text: b.text })),
      };
  }
}

/** One row for each category: every group with its interval, the total of a stack, references. */
function barsTable(series: BarsSeries): TableSeries {
  const unit = series.valueUnit;
  const isStack = series.arrangement === "stacked";
  const columns = [
    words("category", series.categoryLabel),
    ...series.groups.flatMap(({ name, low }, g) => [
      number(`g${g}`, name, unit),
      ...(low === undefined
        ? []
        : [number(`g${g}low`, `${name}, low`, unit), number(`g${g}high`, `${name}, high`, unit)]),
    ]),
    ...(isStack ? [number("total", "Total", unit)] : []),
    ...series.references.map(({ name }, r) => number(`r${r}`, name, unit)),
  ];
  const rows = series.categories.map((category, at) => {
    const row: TableSeries["rows"][number] = { category };
    series.groups.forEach(({ values, low, high }, g) => {
      row[`g${g}`] = values[at] ?? null;
      if (low === undefined) return;
      row[`g${g}low`] = low[at] ?? null;
      row[`g${g}high`] = high?.[at] ?? null;
    });
    if (isStack) row.total = stackTotal(series, at);
    series.references.forEach(({ value }, r) => {
      row[`r${r}`] = Array.isArray(value) ? (value[at] ?? null) : value;
    });
    return row;
  });
  return { kind: "table", columns, rows };
}

/**
 * The height of a category's stack: the sum of its parts; null when no part has a value.
 *
 * @param isShown tells which groups count; all when left out
 */
export function stackTotal(
  series: Pick<BarsSeries, "groups">,
  category: number,
  isShown: (group: number) => boolean = () => true,
): number | null {
  const parts = series.groups.flatMap(({ values }, g) =>
    isShown(g) ? (values[category] ?? []) : [],
  );
  return parts.length === 0 ? null : parts.reduce((sum, part) => sum + part, 0);
}

/** One row for each point, then one for each point of a bound. */
function scatterTable(series: ScatterSeries): TableSeries {
  const { x, y } = series;
  const front = new Set(
    series.front ? paretoFront(series).map(({ group, point }) => `${group}:${point}`) : [],
  );
  const columns = [
    words("group", "Group"),
    words("label", "Point"),
    number("x", x.label, x.unit),
    number("xLow", `${x.label}, low`, x.unit),
    number("xHigh", `${x.label}, high`, x.unit),
    number("y", y.label, y.unit),
    number("low", `${y.label}, low`, y.unit),
    number("high", `${y.label}, high`, y.unit),
    words("front", "On the front"),
  ];
  const measured = series.groups.flatMap((group, g) =>
    group.points.map((point, p) => ({
      group: group.name,
      label: point.label,
      x: point.x,
      xLow: point.xLow ?? null,
      xHigh: point.xHigh ?? null,
      y: point.y,
      low: point.low ?? null,
      high: point.high ?? null,
      front: front.has(`${g}:${p}`) ? "yes" : "no",
    })),
  );
  const bounds = series.bounds.flatMap(({ name, points }) =>
    points.map((point) => ({ group: name, label: "bound", ...point })),
  );
  const rows: TableSeries["rows"] = [...measured, ...bounds];
  const used = columns.filter(({ key }) => key !== "front" || series.front);
  const kept = used.filter(
    ({ key }) => !/low|high/i.test(key) || rows.some((row) => (row[key] ?? null) !== null),
  );
  return {
    kind: "table",
    columns: kept,
    rows: rows.map((row) => Object.fromEntries(kept.map(({ key }) => [key, row[key] ?? null]))),
  };
}
