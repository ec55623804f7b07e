import { bars, defineExperiment, line, type MetricSpec, table } from "@fmlab/experiment";
import { z } from "zod";
import { FORECASTER_NAMES } from "../perception/names.ts";
import {
  AZURE_2019_FILES,
  number,
  wholeNumber,
  workloadFields,
  workloadFiles,
} from "./workload-fields.ts";

/** Config of `cnc-brain.forecast`. */
export const forecastConfig = z.object({
  ...workloadFields({ functions: 80, minutes: 720 }),
  forecasters: z
    .array(z.enum(FORECASTER_NAMES))
    .min(1)
    .max(FORECASTER_NAMES.length)
    .default([...FORECASTER_NAMES])
    .describe("Models of the next interval's number of requests, one for each function."),
  intervalSeconds: wholeNumber(1, 3600, 60).describe("Requests are counted over so long."),
  season: wholeNumber(0, 10_080, 60).describe("Intervals of a season, for models that know one."),
  coverage: number(0.5, 0.999, 0.9).describe("Share of values that intervals shall hold."),
  adaptation: number(0, 0.5, 0.02).describe("Step of adaptive conformal inference; 0: plain."),
  learnShare: number(0.05, 0.9, 0.25).describe("First share of the time that only teaches."),
  everyDay: z
    .boolean()
    .default(false)
    .describe("Count functions with less than one request an hour too."),
});
export type ForecastConfig = z.output<typeof forecastConfig>;

const metrics = {
  wape: {
    title: "Error (WAPE)",
    unit: "%",
    better: "lower",
    help: "All absolute errors over all requests, by model; the run's own: the best model's.",
    measured: false,
    headline: true,
  },
  mape: {
    title: "Error (MAPE)",
    unit: "%",
    better: "lower",
    help: "Mean of error over value where there were requests, by model; the best WAPE's.",
    measured: false,
  },
  coverage: {
    title: "Coverage",
    unit: "%",
    better: "none",
    help: "Values inside their conformal interval, by model; the best WAPE's.",
    measured: false,
    headline: true,
  },
  intervalWidth: {
    title: "Interval width",
    unit: "",
    better: "lower",
    help: "Mean width of the intervals, requests, by model; the best WAPE's.",
    measured: false,
    headline: true,
  },
  forecastUs: {
    title: "Time of a forecast",
    unit: "µs",
    better: "lower",
    help: "Real time of one forecast with its interval and update, mean, by model.",
    measured: true,
  },
  fitWorstP: {
    title: "Worst fit",
    unit: "",
    better: "none",
    help: "Smallest p-value of the generated functions against the published distributions.",
    measured: false,
  },
} satisfies Record<string, MetricSpec>;

/** Forecasts of demand with intervals, on a trace. */
export const forecast = defineExperiment({
  kind: "cnc-brain.forecast",
  version: 1,
  title: "Forecasts of demand with intervals",
  question: "How well can each function's requests be forecast, and do the intervals hold?",
  paper: "arXiv:2308.03450",
  config: forecastConfig,
  presets: {
    quick: {
      title: "Quick",
      description: "Six models on twelve hours of 80 generated functions.",
      everywhere: true,
      config: {},
    },
    "azure-day": {
      title: "Azure 2019",
      description: "A real day of 600 functions, minute by minute.",
      config: { source: "azure-2019", trace: AZURE_2019_FILES, functions: 600, minutes: 1440 },
    },
  },
  requires: (config) => ({ files: workloadFiles(config) }),
  fidelity: () => "simulated",
  metrics,
  views: [
    bars("errors", "Errors by model", "Weighted absolute percentage error over all functions."),
    bars("coverages", "Coverage by model", "Should stand at the line; above is wasteful."),
    line("example", "One function", "The function with the most requests: forecast and interval."),
    table("models", "All models", "Errors, coverage, width and time of each model."),
    table("fit", "Fit to the published distributions", "Tests of generated functions."),
    table("assumptions", "What is assumed", "Where the requests come from."),
  ],
  load: () => import(/* turbopackIgnore: true */ "../forecast-run/run.ts"),
});
