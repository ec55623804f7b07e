import type { SimulationResult } from "../simulator/result.ts";
import { costOf } from "../simulator/summary.ts";
import type { InvocationTrace } from "../traces/invocation-trace.ts";

/** Cost of each request of a trace. */
export function costsOf(
  { responseMs, functions }: SimulationResult,
  trace: InvocationTrace,
): Float64Array {
  return responseMs.map((ms, i) =>
    costOf(ms, functions[trace.functionIndex[i] as number]?.sloMs ?? 1),
  );
}

/** Mean cost of the requests that arrived in each epoch; NaN for one without any. */
export function costByEpoch(
  result: SimulationResult,
  trace: InvocationTrace,
  epochMs: number,
): Float64Array {
  const costs = costsOf(result, trace);
  const count = Math.floor((trace.arrivalMs[trace.count - 1] ?? 0) / epochMs) + 1;
  const sums = new Float64Array(count);
  const counts = new Float64Array(count);
  for (let i = 0; i < trace.count; i++) {
    const epoch = Math.floor((trace.arrivalMs[i] as number) / epochMs);
    sums[epoch] = (sums[epoch] as number) + (costs[i] as number);
    counts[epoch] = (counts[epoch] as number) + 1;
  }
  return sums.map((sum, epoch) => sum / (counts[epoch] as number));
}

/** How much of what a shift cost was won back, and when. */
export interface Recovery {
  /** Cost of the unchanged policy less the reference's, mean of the epochs after the shift. */
  lost: number;
  /** Share of it that was won back in the last half of the time after the shift. */
  recovered: number;
  /** From the shift to the end of the first window that is recovered by the wanted share. */
  recoveryMs: number;
}

/**
 * What adaptation wins back after a shift. Lost is what the policy that acted before costs more,
 * unchanged, than the reference, the best that is known for the time after the shift; recovered is
 * the share of it by which the adaptive one costs less than the unchanged one.
 *
 * Sliding windows of `windowEpochs` smooth the epochs' noise. NaN where nothing was lost (less than
 * a hundredth of the reference's cost): then there is nothing to win back.
 */
export function recoveryOf(
  costs: { frozen: Float64Array; adaptive: Float64Array; reference: Float64Array },
  shiftEpoch: number,
  epochMs: number,
  { windowEpochs, share }: { windowEpochs: number; share: number },
): Recovery {
  const { frozen, adaptive, reference } = costs;
  const end = Math.min(frozen.length, adaptive.length, reference.length);
  const lost = meanGap(frozen, reference, shiftEpoch, end);
  const isNothing = !(lost > 0.01 * meanOf(reference, shiftEpoch, end));
  if (isNothing) return { lost, recovered: Number.NaN, recoveryMs: Number.NaN };
  const middle = shiftEpoch + ((end - shiftEpoch) >> 1);
  const late = meanGap(frozen, reference, middle, end);
  const isLate = late > 0.01 * meanOf(reference, middle, end);
  const recovered = isLate ? meanGap(frozen, adaptive, middle, end) / late : Number.NaN;
  for (let from = shiftEpoch; from + windowEpochs <= end; from++) {
    const to = from + windowEpochs;
    const there = meanGap(frozen, reference, from, to);
    if (there <= 0) continue;
    if (meanGap(frozen, adaptive, from, to) >= share * there) {
      return { lost, recovered, recoveryMs: (to - shiftEpoch) * epochMs };
    }
  }
  return { lost, recovered, recoveryMs: Number.POSITIVE_INFINITY };
}

/**
 * What acting candidates cost more than the fall-back alone did on the same requests: the worst sum
 * within one time of acting, cost of a request times requests. Epochs are those of the adaptive
 * scheduler, each from its record to the next one.
 */
export function worstActing(
  costs: { adaptive: Float64Array; fallback: Float64Array },
  arrivalMs: Float64Array,
  spells: readonly { fromMs: number; toMs: number }[],
): number {
  let worst = 0;
  for (const { fromMs, toMs } of spells) {
    let sum = 0;
    for (let i = 0; i < arrivalMs.length; i++) {
      const atMs = arrivalMs[i] as number;
      if (atMs < fromMs || atMs >= toMs) continue;
      sum = Math.max(0, sum + (costs.adaptive[i] as number) - (costs.fallback[i] as number));
      worst = Math.max(worst, sum);
    }
  }
  return worst;
}

function meanGap(a: Float64Array, b: Float64Array, from: number, to: number): number {
  return meanOf(a, from, to) - meanOf(b, from, to);
}

/** Mean of the values in [from, to) that are none of NaN. */
export function meanOf(values: Float64Array, from: number, to: number): number {
  let sum = 0;
  let count = 0;
  for (let i = from; i < to; i++) {
    const value = values[i] as number;
    if (Number.isNaN(value)) continue;
    sum += value;
    count++;
  }
  return sum / count;
}
