import type { Calibration } from "../calibration/calibration.ts";
import { calibrationFromTrace } from "../replay/trace-knowledge.ts";
import { badTrace, firstTokens, type Trace } from "../traces/trace.ts";

/** What strategies are tried on: tokens that are measured, and what earlier ones taught. */
export interface Workload {
  readonly trace: Trace;
  readonly calibration: Calibration;
  /** First tokens that fill caches and are not counted. */
  readonly warmupTokens: number;
}

/** Share of a trace that fills caches; the first eighth. Chosen. */
const WARMUP_SHARE = 1 / 8;

/**
 * Cuts a trace in two: the first tokens are learned from, the others measured on, so that nothing
 * is measured on what was learned.
 *
 * @param learnTokens  0 learns nothing new: `known` must be given
 * @throws MoeError `BAD_TRACE` when no tokens are left to measure on
 */
export function splitWorkload(trace: Trace, learnTokens: number, known?: Calibration): Workload {
  const learn = Math.min(learnTokens, trace.tokenCount);
  const measured = tokensFrom(trace, learn);
  if (measured.tokenCount < 2 || (learn === 0 && known === undefined)) {
    throw badTrace(
      trace.provenance.model,
      `it has ${trace.tokenCount} tokens, ${learn} of which are learned from`,
      "Give it more tokens, or learn from fewer.",
    );
  }
  return {
    trace: measured,
    calibration: known ?? calibrationFromTrace(firstTokens(trace, learn)),
    warmupTokens: Math.floor(measured.tokenCount * WARMUP_SHARE),
  };
}

/** The tokens of a trace from one on, without copying. */
export function tokensFrom(trace: Trace, first: number): Trace {
  const { moeLayers, expertCount, expertUsedCount } = trace.shape;
  const row = first * moeLayers.length;
  const { probabilities, ahead, computeMs, aheadDepth } = trace;
  return {
    ...trace,
    tokenCount: trace.tokenCount - first,
    positions: trace.positions.subarray(first),
    experts: trace.experts.subarray(row * expertUsedCount),
    ...(probabilities && { probabilities: probabilities.subarray(row * expertCount) }),
    ...(ahead && { ahead: ahead.subarray(row * aheadDepth * expertCount) }),
    ...(computeMs && { computeMs: computeMs.subarray(row) }),
  };
}
