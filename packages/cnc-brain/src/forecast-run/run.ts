import type { RunContext, SeriesInput, Summary } from "@fmlab/experiment";
import { createPrng } from "@fmlab/sim";
import type { ForecastConfig } from "../definitions/forecast.ts";
import {
  addScore,
  emptyScore,
  evaluateForecast,
  type ForecastPoint,
  type ForecastScore,
  mape,
  wape,
} from "../perception/evaluate-forecast.ts";
import { createForecaster } from "../perception/registry.ts";
import { type FitRow, reportFit } from "../traces/fit-report.ts";
import { generateFunctions } from "../traces/generator.ts";
import type { InvocationTrace } from "../traces/invocation-trace.ts";
import { readDemand } from "../workload/read-demand.ts";
import { assumptionTable, breathe, workloadSettings } from "../workload/run-settings.ts";

/** How many functions' worth of draws the fit is tested on. */
const FIT_APPS = 2000;
/** Points of the example that are drawn. */
const EXAMPLE_POINTS = 400;

interface ModelRun {
  name: string;
  score: ForecastScore;
  example: ForecastPoint[];
  forecastUs: number;
}

/**
 * Runs `cnc-brain.forecast`: one-step forecasts of every function's requests, each model on the
 * same series.
 *
 * @throws ExperimentError `MISSING_FILE` | `FORBIDDEN_PATH` | `CANCELLED` | `BAD_CONFIG`
 * @throws CncError for traces that cannot be read
 */
export async function run(ctx: RunContext, config: ForecastConfig): Promise<Summary> {
  const settings = await workloadSettings(ctx, config);
  const prng = createPrng(ctx.seed, "forecast");
  const { functions, trace, notes } = readDemand(settings, prng.fork("demand"));
  const binMs = config.intervalSeconds * 1000;
  const bins = Math.max(2, Math.floor((config.minutes * 60_000) / binMs));
  const leastCount = config.everyDay ? 1 : config.minutes / 60;
  const series = countByInterval(trace, functions.length, bins, binMs).filter(
    (counts) => counts.reduce((a, b) => a + b, 0) >= leastCount,
  );
  ctx.log(`${series.length} of ${functions.length} functions have enough requests`);
  const runs: ModelRun[] = [];
  for (const [i, name] of config.forecasters.entries()) {
    ctx.progress(i, config.forecasters.length, name);
    await breathe(ctx);
    runs.push(runModel(ctx, name, series, config, bins));
  }
  const fit = reportFit(
    generateFunctions({ apps: FIT_APPS, durationMsMax: 1e15 }, prng.fork("fit")),
  );
  return report(ctx, config, runs, fit, [
    ...notes,
    `${series.length} functions, ${bins} intervals of ${config.intervalSeconds} s`,
  ]);
}

/** Requests of each function in each interval. */
function countByInterval(
  trace: InvocationTrace,
  functionCount: number,
  bins: number,
  binMs: number,
): Float64Array[] {
  const counts = Array.from({ length: functionCount }, () => new Float64Array(bins));
  for (let i = 0; i < trace.count; i++) {
    const bin = Math.floor((trace.arrivalMs[i] as number) / binMs);
    const row = counts[trace.functionIndex[i] as number] as Float64Array;
    if (bin < bins) row[bin] = (row[bin] as number) + 1;
  }
  return counts;
}

function runModel(
  ctx: RunContext,
  name: string,
  series: readonly Float64Array[],
  config: ForecastConfig,
  bins: number,
): ModelRun {
  const totals = series.map((counts) => counts.reduce((a, b) => a + b, 0));
  const busiest = totals.indexOf(Math.max(...totals));
  const skip = Math.floor(bins * config.learnShare);
  const score = emptyScore();
  const example: ForecastPoint[] = [];
  const startMs = ctx.nowMs();
  series.forEach((counts, i) => {
    const one = evaluateForecast(
      counts,
      createForecaster(name, config.season),
      { coverage: config.coverage, step: config.adaptation },
      skip,
      i === busiest ? (point) => example.push(point) : undefined,
    );
    addScore(score, one);
  });
  const forecastUs = ((ctx.nowMs() - startMs) * 1000) / Math.max(1, series.length * bins);
  const found = { ...numbersOf(score), forecastUs };
  for (const [key, value] of Object.entries(found)) {
    if (Number.isFinite(value)) ctx.metric(key, value, { model: name });
  }
  return { name, score, example, forecastUs };
}

function numbersOf(score: ForecastScore) {
  return {
    wape: 100 * wape(score),
    mape: 100 * mape(score),
    coverage: (100 * score.coveredCount) / score.count,
    intervalWidth: score.sumWidth / score.boundedCount,
  };
}

function report(
  ctx: RunContext,
  config: ForecastConfig,
  runs: readonly ModelRun[],
  fit: readonly FitRow[],
  notes: string[],
): Summary {
  const best = runs.reduce((least, one) => (wape(one.score) < wape(least.score) ? one : least));
  ctx.series(
    "errors",
    barsOf(runs, "WAPE", ({ score }) => 100 * wape(score)),
  );
  ctx.series("coverages", {
    ...barsOf(runs, "coverage", ({ score }) => numbersOf(score).coverage),
    references: [{ name: "wanted", value: 100 * config.coverage }],
  } as SeriesInput);
  ctx.series("example", exampleSeries(best, config));
  ctx.series("models", modelTable(runs));
  ctx.series("fit", fitTable(fit));
  ctx.series("assumptions", assumptionTable(notes));
  const fitWorstP = Math.min(...fit.map(({ pValue }) => pValue ?? 1));
  const overall = { ...numbersOf(best.score), fitWorstP };
  for (const [key, value] of Object.entries(overall)) {
    if (Number.isFinite(value)) ctx.metric(key, value);
  }
  return {
    ...overall,
    bestModel: best.name,
    models: Object.fromEntries(
      runs.map(({ name, score, forecastUs }) => [name, { ...numbersOf(score), forecastUs }]),
    ),
    fit,
  };
}

function barsOf(runs: readonly ModelRun[], label: string, of: (run: ModelRun) => number) {
  const values = runs.map((one) => (Number.isFinite(of(one)) ? of(one) : null));
  return {
    kind: "bars" as const,
    categoryLabel: "model",
    categories: runs.map(({ name }) => name),
    valueLabel: label,
    valueUnit: "%",
    groups: [{ name: label, values }],
  };
}

function exampleSeries({ example, name }: ModelRun, config: ForecastConfig): SeriesInput {
  const points = example.slice(0, EXAMPLE_POINTS);
  const value = (x: number) => (Number.isFinite(x) ? x : null);
  return {
    kind: "line",
    xLabel: "minutes after what only teaches",
    yLabel: `requests in ${config.intervalSeconds} s`,
    x: points.map((_, i) => (i * config.intervalSeconds) / 60),
    curves: [
      { name: "requests", y: points.map(({ actual }) => actual) },
      { name: `forecast (${name})`, y: points.map(({ predicted }) => value(predicted)) },
      { name: "interval, low", y: points.map(({ low }) => value(low)) },
      { name: "interval, high", y: points.map(({ high }) => value(high)) },
    ],
  };
}

function modelTable(runs: readonly ModelRun[]): SeriesInput {
  const number = (key: string, title: string, unit: string) => ({
    key,
    title,
    unit,
    type: "number" as const,
  });
  return {
    kind: "table",
    columns: [
      { key: "model", title: "Model", type: "text" },
      number("wape", "WAPE", "%"),
      number("mape", "MAPE", "%"),
      number("coverage", "Coverage", "%"),
      number("intervalWidth", "Width", "requests"),
      number("forecastUs", "Time", "µs"),
    ],
    rows: runs.map(({ name, score, forecastUs }) => ({
      model: name,
      ...Object.fromEntries(
        Object.entries({ ...numbersOf(score), forecastUs }).map(([key, value]) => [
          key,
          Number.isFinite(value) ? value : null,
        ]),
      ),
    })),
  };
}

function fitTable(fit: readonly FitRow[]): SeriesInput {
  return {
    kind: "table",
    columns: [
      { key: "quantity", title: "Quantity", type: "text" },
      { key: "test", title: "Test", type: "text" },
      { key: "statistic", title: "Statistic", type: "number" },
      { key: "pValue", title: "p", type: "number" },
      { key: "published", title: "Published", type: "text" },
      { key: "found", title: "Generated", type: "text" },
    ],
    rows: fit.map((row) => ({ ...row, pValue: row.pValue ?? null })),
  };
}
