import type { Series } from "@fmlab/experiment";

/** True for a series that holds nothing to draw. */
export function isEmptySeries(series: Series): boolean {
  switch (series.kind) {
    case "line":
      return series.x.length === 0 || series.curves.length === 0;
    case "heatmap":
      return series.values.every((row) => row.every((value) => value === null));
    case "timeline":
      return series.events.length === 0;
    case "bars":
      return series.groups.every(({ values }) => values.every((value) => value === null));
    case "scatter":
      return series.groups.every(({ points }) => points.every(({ y }) => y === null));
    case "text":
      return series.blocks.length === 0;
    case "table":
      return series.rows.length === 0;
  }
}
