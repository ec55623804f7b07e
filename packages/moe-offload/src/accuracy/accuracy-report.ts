import type { RunContext, SeriesInput, Summary } from "@fmlab/experiment";
import type { AccuracyConfig } from "../definitions/accuracy.ts";
import type { AccuracyResult } from "./accuracy-job.ts";
import { meanOf } from "./choice-tally.ts";

type BarsInput = Extract<SeriesInput, { kind: "bars" }>;
type Sink = Pick<RunContext, "log" | "metric" | "series">;

/** A row of a picture by layer: a share for each layer, `null` where there is none. */
type Rows = Record<string, (number | null)[]>;

/** Turns a result into metrics, pictures and the summary of a run. */
export function reportAccuracy(
  ctx: Sink,
  result: AccuracyResult,
  config: Pick<AccuracyConfig, "calibrationTokens">,
  textName: string,
): Summary {
  const { gates, hitRates, model, predictors } = result;
  const crossLayer = gates.byDepth[0] ?? { slot: [], wholeRouting: [] };
  tell(ctx, result);
  draw(ctx, result);
  const overall = {
    crossLayer: 100 * meanOf(crossLayer.slot),
    crossLayerWhole: 100 * meanOf(crossLayer.wholeRouting),
  };
  for (const [name, value] of Object.entries(overall)) {
    if (Number.isFinite(value)) ctx.metric(name, value);
  }
  return {
    ...overall,
    crossLayerAccuracy: crossLayer.slot,
    crossLayerWholeRouting: crossLayer.wholeRouting,
    crossLayerByDepth: gates.byDepth,
    crossLayerWidened: gates.widened,
    crossLayerWidenedMeans: gates.widened.map(({ slot }) => 100 * meanOf(slot)),
    predictorAccuracy: predictors,
    ownGateAccuracy: gates.ownGate.slot,
    previousTokenAccuracy: gates.previousToken.slot,
    chanceAccuracy: gates.chance,
    hitRates,
    text: textName,
    tokenCount: result.tokenCount,
    windowCount: result.windowCount,
    hitRateTokens: result.hitRateTokens,
    calibrationTokens: config.calibrationTokens,
    model,
  };
}

function tell(ctx: Sink, { gates, hitRates, model, predictors }: AccuracyResult): void {
  const layerOf = (place: number) => model.moeLayers[place + 1] ?? place + 1;
  gates.byDepth[0]?.wholeRouting.forEach((share, place) => {
    ctx.metric("crossLayerWhole", 100 * share, { layer: layerOf(place) });
  });
  for (const [predictor, { slot, wholeRouting }] of Object.entries(predictors)) {
    slot.forEach((share, place) => {
      const axes = { predictor, layer: layerOf(place) };
      ctx.metric("slotAccuracy", 100 * share, axes);
      ctx.metric("wholeRoutingAccuracy", 100 * (wholeRouting[place] ?? 0), axes);
    });
    ctx.log(`${predictor}: slot accuracy ${percent(meanOf(slot))}, by layer ${tellAll(slot)}`);
  }
  for (const [policy, byBudget] of Object.entries(hitRates)) {
    for (const [budget, rates] of Object.entries(byBudget)) {
      if (rates === null) continue;
      ctx.metric("hitRate", 100 * rates.overall, { policy, budgetPercent: Number(budget) });
    }
  }
  const isSound = gates.ownGate.slot.every((share) => share === 1);
  if (isSound) return;
  const found = tellAll(gates.ownGate.slot);
  ctx.log(`the control failed: a layer's own gate finds ${found} of its experts`, "error");
}

function draw(ctx: Sink, result: AccuracyResult): void {
  const { gates, model, predictors, uses } = result;
  const later = model.moeLayers.slice(1).map(String);
  const all = model.moeLayers.map(String);
  const rowsOf = (key: "slot" | "wholeRouting"): Rows =>
    Object.fromEntries(
      // Predicting nothing finds nothing: no picture needs it.
      Object.entries(predictors).flatMap(([name, one]) =>
        name === "none" ? [] : [[name, one[key]]],
      ),
    );
  const slots = {
    ...rowsOf("slot"),
    "previous token, same window": gates.previousToken.slot.slice(1),
  };
  ctx.series("accuracyByLayer", {
    ...barsByLayer("slot accuracy", later, slots),
    references: [{ name: "chance", value: 100 * gates.chance }],
  });
  const whole = rowsOf("wholeRouting");
  ctx.series("wholeByLayer", byLayer("predictor", "whole-routing accuracy", later, whole));
  ctx.series("gateByLayer", gateCurves(result));
  ctx.series("hitRates", hitTable(result));
  ctx.series("hitsByLayer", hitBars(result, all));
  ctx.series("expertUses", {
    kind: "heatmap",
    rowLabel: "layer",
    columnLabel: "expert",
    valueLabel: "times chosen",
    rows: all,
    columns: Array.from({ length: model.expertCount }, (_, expert) => String(expert)),
    values: uses,
  });
}

function byLayer(rowLabel: string, valueLabel: string, layers: string[], rows: Rows): SeriesInput {
  return {
    kind: "heatmap",
    rowLabel,
    columnLabel: "layer",
    valueLabel,
    valueUnit: "%",
    rows: Object.keys(rows),
    columns: layers,
    values: Object.values(rows).map((shares) =>
      layers.map((_, place) => scaled(shares[place] ?? null)),
    ),
  };
}

function gateCurves({ gates, model }: AccuracyResult): SeriesInput {
  const layers = model.moeLayers.slice(1);
  const curve = (name: string, slot: readonly number[], missing = 0) => ({
    name,
    y: layers.map((_, place) => scaled(slot[place - missing] ?? null)),
  });
  return {
    kind: "line",
    xLabel: "layer",
    yLabel: "chosen experts found",
    yUnit: "%",
    x: layers,
    curves: [
      ...gates.byDepth.map(({ slot }, d) => {
        const name = d === 0 ? "top-k" : `top-k, ${d + 1} layers ahead`;
        return curve(name, slot, d);
      }),
      ...gates.widened.map(({ slot, width }) => curve(`top-${width}`, slot)),
      curve("token before", gates.previousToken.slot.slice(1)),
      curve(
        "chance",
        layers.map(() => gates.chance),
      ),
    ],
  };
}

function hitTable({ hitRates }: AccuracyResult): SeriesInput {
  const budgets = [...new Set(Object.values(hitRates).flatMap((rates) => Object.keys(rates)))];
  return {
    kind: "table",
    columns: [
      { key: "policy", title: "Policy", type: "text" },
      ...budgets.map((budget) => ({
        key: `b${budget}`,
        title: `Hits (%) at ${budget} %`,
        type: "number" as const,
      })),
    ],
    rows: Object.entries(hitRates)
      .filter(([, rates]) => budgets.some((budget) => rates[budget]))
      .map(([policy, rates]) => ({
        policy,
        ...Object.fromEntries(
          budgets.map((budget) => [`b${budget}`, scaled(rates[budget]?.overall ?? null)]),
        ),
      })),
  };
}

/** Hits of every policy by layer, at the middle one of the budgets. */
function hitBars({ hitRates }: AccuracyResult, layers: string[]): SeriesInput {
  const budgets = [...new Set(Object.values(hitRates).flatMap((rates) => Object.keys(rates)))];
  const budget = budgets[Math.floor(budgets.length / 2)] ?? "";
  const rows: Rows = {};
  for (const [policy, byBudget] of Object.entries(hitRates)) {
    const rates = byBudget[budget];
    if (rates) rows[policy] = rates.byLayer;
  }
  return { ...barsByLayer("hit rate", layers, rows), note: `${budget} % of the experts in memory` };
}

/** Bars are readable up to so many layers; of deeper models every n-th is shown. */
const BAR_LAYERS_MAX = 64;

function barsByLayer(valueLabel: string, layers: string[], rows: Rows): BarsInput {
  const stride = Math.ceil(layers.length / BAR_LAYERS_MAX);
  const shown = layers.map((_, place) => place).filter((place) => place % stride === 0);
  return {
    kind: "bars",
    categoryLabel: "layer",
    categories: shown.map((place) => layers[place] ?? ""),
    valueLabel,
    valueUnit: "%",
    groups: Object.entries(rows).map(([name, shares]) => ({
      name,
      values: shown.map((place) => scaled(shares[place] ?? null)),
    })),
  };
}

function scaled(share: number | null): number | null {
  return share === null || !Number.isFinite(share) ? null : 100 * share;
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

function tellAll(shares: readonly number[]): string {
  return shares.map((share) => share.toFixed(3)).join(" ");
}
