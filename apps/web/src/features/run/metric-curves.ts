import type { TableSeries } from "@fmlab/experiment";
import type { Curve } from "../../ui/charts/align-curves.ts";
import { type MetricGroup, splitMetricKey } from "./metric-groups.ts";

/** One curve as the server gives it: raw points, or buckets with their extremes. */
export interface FetchedCurve {
  key: string;
  n: number;
  raw: boolean;
  points: readonly {
    x: number;
    last: number | null;
    min: number | null;
    max: number | null;
    n: number;
  }[];
}

/** A curve's name: its labels; without any its metric's title, or “all” beside labelled ones. */
function curveName(key: string, alone: string | undefined): string {
  const { labels } = splitMetricKey(key);
  return labels !== "" ? labels : (alone ?? "all");
}

/** Fetched curves for the line chart, bands where points were bucketed. */
export function toCurves(fetched: readonly FetchedCurve[], title: string): Curve[] {
  return fetched.map((curve) => ({
    name: curveName(curve.key, fetched.length === 1 ? title : undefined),
    x: curve.points.map((point) => point.x),
    y: curve.points.map((point) => point.last),
    ...(curve.raw
      ? {}
      : {
          band: {
            min: curve.points.map((point) => point.min),
            max: curve.points.map((point) => point.max),
          },
        }),
  }));
}

/** The table twin of the curves: one row a point or bucket. */
export function curveTable(fetched: readonly FetchedCurve[], group: MetricGroup): TableSeries {
  const number = (key: string, title: string, unit = "") =>
    ({ key, title, unit, type: "number" }) as const;
  return {
    kind: "table",
    columns: [
      { key: "curve", title: "Curve", unit: "", type: "text" },
      number("x", group.step),
      number("last", "Last", group.unit),
      number("min", "Min", group.unit),
      number("max", "Max", group.unit),
      number("n", "Points"),
    ],
    rows: fetched.flatMap((curve) =>
      curve.points.map(({ x, last, min, max, n }) => ({
        curve: curveName(curve.key, fetched.length === 1 ? group.title : undefined),
        x,
        last,
        min,
        max,
        n,
      })),
    ),
  };
}
