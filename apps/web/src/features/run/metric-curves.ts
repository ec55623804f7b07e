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

/**
 * Names of curves: their labels, without any “all”; a curve alone has its metric's title. Where all
 * differ in one label only, which `policy=lru` and `policy=fate` do, its values are enough.
 */
function curveNames(keys: readonly string[], title: string): string[] {
  const labels = keys.map((key) => splitMetricKey(key).labels);
  const told = labels.filter((label) => label !== "");
  const names = told.map((label) => /^([^=,]+)=([^=,]+)$/.exec(label));
  const isOneLabel = told.length > 1 && new Set(names.map((found) => found?.[1])).size === 1;
  const isWord =
    isOneLabel && names.every((found) => found !== null && !/^\d/.test(found[2] ?? ""));
  return labels.map((label) => {
    if (label === "") return keys.length === 1 ? title : "all";
    return isWord ? label.slice(label.indexOf("=") + 1) : label;
  });
}

/** Fetched curves for the line chart, bands where points were bucketed. */
export function toCurves(fetched: readonly FetchedCurve[], title: string): Curve[] {
  const names = curveNames(
    fetched.map(({ key }) => key),
    title,
  );
  return fetched.map((curve, i) => ({
    name: names[i] ?? curve.key,
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
  const names = curveNames(
    fetched.map(({ key }) => key),
    group.title,
  );
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
    rows: fetched.flatMap((curve, i) =>
      curve.points.map(({ x, last, min, max, n }) => ({
        curve: names[i] ?? curve.key,
        x,
        last,
        min,
        max,
        n,
      })),
    ),
  };
}
