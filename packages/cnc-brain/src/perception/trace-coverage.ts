import type { InvocationTrace } from "../traces/invocation-trace.ts";
import { addScore, emptyScore, evaluateForecast } from "./evaluate-forecast.ts";
import { createForecaster } from "./registry.ts";

/** Share of values that intervals held, and the share they were meant to hold. */
export interface Coverage {
  found: number;
  wanted: number;
}

/** How a trace's requests are forecast to see whether intervals hold. */
export interface CoverageOptions {
  intervalMs: number;
  wanted: number;
}

const DEFAULTS: CoverageOptions = { intervalMs: 10_000, wanted: 0.9 };
/** Fewer intervals teach nothing. */
const LEAST_INTERVALS = 40;
/** First share of the time that only teaches. */
const LEARN_SHARE = 0.25;
const ADAPTATION = 0.02;

/**
 * Whether conformal intervals around one-step forecasts hold their share on a trace: each function
 * with at least a request in every other interval is forecast by the learned model.
 *
 * @returns undefined for a trace that is too short, or has no such function
 */
export function coverageOfTrace(
  trace: InvocationTrace,
  functionCount: number,
  options: Partial<CoverageOptions> = {},
): Coverage | undefined {
  const { intervalMs, wanted } = { ...DEFAULTS, ...options };
  const lastMs = trace.arrivalMs[trace.count - 1] ?? 0;
  const intervals = Math.floor(lastMs / intervalMs);
  if (intervals < LEAST_INTERVALS) return undefined;
  const series = Array.from({ length: functionCount }, () => new Float64Array(intervals));
  for (let i = 0; i < trace.count; i++) {
    const at = Math.floor((trace.arrivalMs[i] as number) / intervalMs);
    const row = series[trace.functionIndex[i] as number] as Float64Array;
    if (at < intervals) row[at] = (row[at] as number) + 1;
  }
  const score = emptyScore();
  const skip = Math.ceil(LEARN_SHARE * intervals);
  for (const row of series) {
    if (row.reduce((a, b) => a + b, 0) < intervals / 2) continue;
    const model = createForecaster("learned", 0);
    addScore(score, evaluateForecast(row, model, { coverage: wanted, step: ADAPTATION }, skip));
  }
  if (score.count === 0) return undefined;
  return { found: score.coveredCount / score.count, wanted };
}
