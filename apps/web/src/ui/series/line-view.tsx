"use client";

import type { LineSeries } from "@fmlab/experiment";
import { useMemo } from "react";
import { LineChart } from "@/ui/charts/line-chart.tsx";

/** A line series as curves. */
export function LineView({ series, title }: { series: LineSeries; title: string }) {
  const curves = useMemo(
    () => series.curves.map((curve) => ({ name: curve.name, x: series.x, y: curve.y })),
    [series],
  );
  return (
    <LineChart
      label={`${title}: ${series.curves.map((curve) => curve.name).join(", ")}`}
      curves={curves}
      xLabel={series.xLabel}
      yLabel={series.yLabel}
      yUnit={series.yUnit}
      height={260}
    />
  );
}
