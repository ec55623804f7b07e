import type { FunctionSpec } from "../simulator/specs.ts";
import { costOf } from "../simulator/summary.ts";
import type { InvocationTrace } from "../traces/invocation-trace.ts";

/** Width of a step of a cost curve, ms. */
export const BIN_MS = 50;

/**
 * When the cost of a run came about: entry k is the cost of bin k. A waiting or running request
 * costs 1 / SLO a millisecond until ten SLOs have passed, and 1 at the moment it misses; the sum is
 * the project's cost to the last digit, whatever was decided when.
 *
 * @param bins later costs fall into the last one
 */
export function costCurve(
  { arrivalMs, functionIndex }: Pick<InvocationTrace, "arrivalMs" | "functionIndex">,
  responseMs: Float64Array,
  functions: readonly Pick<FunctionSpec, "sloMs">[],
  bins: number,
): Float64Array {
  const curve = new Float64Array(bins);
  const rate = new Float64Array(bins + 1);
  const bin = (atMs: number) => Math.min(bins - 1, Math.floor(atMs / BIN_MS));
  for (let id = 0; id < responseMs.length; id++) {
    const { sloMs } = functions[functionIndex[id] as number] as { sloMs: number };
    const startMs = arrivalMs[id] as number;
    const response = responseMs[id] as number;
    if (Number.isNaN(response)) {
      add(curve, bin(startMs), costOf(response, sloMs));
      continue;
    }
    const accruing = Math.min(response, 10 * sloMs);
    const [first, last] = [bin(startMs), bin(startMs + accruing)];
    // Whole bins by differences, the two ends by what they hold of it.
    if (first === last) {
      add(curve, first, accruing / sloMs);
    } else {
      const head = (first + 1) * BIN_MS - startMs;
      const whole = (last - first - 1) * BIN_MS;
      add(curve, first, head / sloMs);
      add(rate, first + 1, BIN_MS / sloMs);
      add(rate, last, -BIN_MS / sloMs);
      add(curve, last, (accruing - head - whole) / sloMs);
    }
    if (response > sloMs) add(curve, bin(startMs + sloMs), 1);
  }
  let running = 0;
  for (let k = 0; k < bins; k++) {
    running += rate[k] as number;
    add(curve, k, running);
  }
  return curve;
}

/**
 * The input-dependent baseline: what each run cost less than the mean of all runs over the very
 * same requests, step by step. What the requests alone make expensive cancels.
 *
 * @returns reward of each bin of each run; they sum to zero over the runs
 * @see Mao et al. 2018, Variance Reduction for Reinforcement Learning in Input-Driven
 *      Environments, arXiv:1807.02264
 */
export function rewardsOverSameInput(curves: readonly Float64Array[]): Float64Array[] {
  const bins = curves[0]?.length ?? 0;
  const mean = new Float64Array(bins);
  for (const curve of curves) {
    for (let k = 0; k < bins; k++) add(mean, k, (curve[k] as number) / curves.length);
  }
  return curves.map((curve) => curve.map((cost, k) => (mean[k] as number) - cost));
}

/** How much the future counts. */
export interface Discount {
  /** Time after which a reward counts 1/e, ms. */
  horizonMs: number;
  /** Of generalised advantage estimation, for one second between decisions. */
  lambdaPerSecond: number;
}

/**
 * Generalised advantage estimation over decisions at uneven times: both gamma and lambda decay with
 * the time that passes.
 *
 * @param atMs rising times of decisions
 * @param values the critic's value at each
 * @param rewards by bin
 * @returns advantages, and returns for the critic (advantage + value)
 * @see Schulman et al. 2016, arXiv:1506.02438
 */
export function estimateAdvantages(
  atMs: ArrayLike<number>,
  values: ArrayLike<number>,
  rewards: Float64Array,
  { horizonMs, lambdaPerSecond }: Discount,
): { advantages: Float32Array; returns: Float32Array } {
  const count = atMs.length;
  const advantages = new Float32Array(count);
  const returns = new Float32Array(count);
  const binOf = (ms: number) => Math.min(rewards.length, Math.floor(ms / BIN_MS));
  let next = 0;
  for (let i = count - 1; i >= 0; i--) {
    const now = atMs[i] as number;
    const isLast = i === count - 1;
    const untilMs = isLast ? rewards.length * BIN_MS : (atMs[i + 1] as number);
    let reward = 0;
    for (let k = binOf(now); k < binOf(untilMs); k++) {
      reward += (rewards[k] as number) * Math.exp(-(k * BIN_MS - now) / horizonMs);
    }
    const passed = untilMs - now;
    const gamma = Math.exp(-passed / horizonMs);
    const lambda = lambdaPerSecond ** (passed / 1000);
    const nextValue = isLast ? 0 : (values[i + 1] as number);
    next = reward + gamma * nextValue - (values[i] as number) + gamma * lambda * next;
    advantages[i] = next;
    returns[i] = next + (values[i] as number);
  }
  return { advantages, returns };
}

function add(array: Float64Array, at: number, value: number): void {
  array[at] = (array[at] as number) + value;
}
