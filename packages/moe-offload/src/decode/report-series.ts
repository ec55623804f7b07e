import type { SeriesInput } from "@fmlab/experiment";
import type { SessionResult } from "./messages.ts";

const MIB = 1_048_576;

/** A picture of a number for each layer and expert, `[layer][expert]`. */
export function heatmapOf(values: number[][], valueLabel: string): SeriesInput {
  return {
    kind: "heatmap",
    rowLabel: "layer",
    columnLabel: "expert",
    valueLabel,
    rows: values.map((_, layer) => String(layer)),
    columns: (values[0] ?? []).map((_, expert) => String(expert)),
    values,
  };
}

/**
 * What happened in each layer.
 * @param hitRateByLayer  percent; NaN before the first step
 */
export function layersSeries(result: SessionResult, hitRateByLayer: number[]): SeriesInput {
  const sum = (row: number[] | undefined) => (row ?? []).reduce((a, b) => a + b, 0);
  const distinct = (row: number[] | undefined) => (row ?? []).filter((n) => n > 0).length;
  return {
    kind: "table",
    columns: [
      { key: "layer", title: "Layer", type: "number" },
      { key: "hitRate", title: "Hit rate", unit: "%", type: "number" },
      { key: "uses", title: "Expert uses", type: "number" },
      { key: "loads", title: "Loads", type: "number" },
      { key: "loadedMiB", title: "Loaded", unit: "MiB", type: "number" },
      { key: "distinct", title: "Different experts used", type: "number" },
    ],
    rows: hitRateByLayer.map((rate, layer) => ({
      layer,
      hitRate: Number.isFinite(rate) ? rate : null,
      uses: sum(result.routed[layer]),
      loads: sum(result.loads[layer]),
      loadedMiB: (result.loadedBytes[layer] ?? 0) / MIB,
      distinct: distinct(result.routed[layer]),
    })),
  };
}
