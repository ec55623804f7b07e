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

/** What the time of a step is made of. */
export interface StepTimes {
  stepMs: number;
  stallMs: number;
  /** Sum of the transfers that ended in the step. */
  transferMs: number;
}

/** Stacks of a token's time; more would be too thin to read. */
const STACKS_MAX = 24;

/**
 * Where the time of a token goes, in the mean of consecutive steps: computing alone, computing
 * while experts are loaded, and waiting for them.
 */
export function tokenPartsSeries(steps: readonly StepTimes[]): SeriesInput {
  const together = Math.max(1, Math.ceil(steps.length / STACKS_MAX));
  const parts = Array.from({ length: Math.ceil(steps.length / together) }, (_, stack) =>
    steps.slice(stack * together, (stack + 1) * together),
  );
  const mean = (of: (step: StepTimes) => number) =>
    parts.map((part) => part.reduce((sum, step) => sum + of(step), 0) / part.length);
  const hiddenMs = ({ stallMs, stepMs, transferMs }: StepTimes) =>
    Math.min(Math.max(0, transferMs - stallMs), stepMs - stallMs);
  return {
    kind: "bars",
    categoryLabel: together === 1 ? "token" : `tokens, ${together} each`,
    categories: parts.map((_, stack) => String(stack * together)),
    valueLabel: "time per token",
    valueUnit: "ms",
    arrangement: "stacked",
    groups: [
      { name: "computing", values: mean((step) => step.stepMs - step.stallMs - hiddenMs(step)) },
      { name: "computing while loading", values: mean(hiddenMs) },
      { name: "waiting for experts", values: mean((step) => step.stallMs) },
    ],
  };
}
