import type { Prng } from "@fmlab/sim";
import { requireSetting } from "../errors.ts";

/**
 * First Wasserstein distance between two samples of a line: the area between their distribution
 * functions, in the samples' unit.
 *
 * Cost: O(n log n).
 */
export function wassersteinDistance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  requireSetting(a.length > 0 && b.length > 0, "sample", 0, "two samples that are not empty");
  const [first, second] = [Float64Array.from(a).sort(), Float64Array.from(b).sort()];
  let [i, j, distance] = [0, 0, 0];
  let x = Math.min(first[0] as number, second[0] as number);
  while (i < first.length || j < second.length) {
    const next = Math.min(first[i] ?? Number.MAX_VALUE, second[j] ?? Number.MAX_VALUE);
    distance += Math.abs(i / first.length - j / second.length) * (next - x);
    x = next;
    while (i < first.length && first[i] === x) i++;
    while (j < second.length && second[j] === x) j++;
  }
  return distance;
}

/** What the sampler compares functions by. */
export interface SampledFunction {
  /** Mean over the trace. */
  invocationsPerMinute: number;
  meanDurationMs: number;
  memoryMb: number;
}

/** Chosen functions and how far they are from all of them. */
export interface FunctionSample {
  /** Rising indices into the given functions. */
  indices: number[];
  /** Of invocations a minute, and of resource use (invocations x duration x memory x 1e-6). */
  invocationDistance: number;
  resourceDistance: number;
}

/** How the sampler searches. */
export interface SamplerOptions {
  size: number;
  /** Functions fewer in each round, until `size` is reached; samples are nested. */
  step?: number;
  /** Random subsets tried in each round. */
  trials?: number;
}

/**
 * Chooses functions that stand for all of a trace: of random subsets, the one whose distributions
 * of invocations and of resource use are nearest to the whole trace's by Wasserstein distance (the
 * sum of both, each over the whole trace's mean). Rounds shrink the sample before, so smaller
 * samples lie inside larger ones.
 *
 * @see In-Vitro (vHive), docs/sampler.md, for the method; dividing by the mean, so that the two
 * distances can be added, is ours
 */
export function sampleFunctions(
  functions: readonly SampledFunction[],
  options: SamplerOptions,
  prng: Prng,
): FunctionSample {
  const { size, step = Math.max(1, Math.ceil(functions.length / 20)), trials = 16 } = options;
  const isPossible = Number.isInteger(size) && size >= 1 && size <= functions.length;
  requireSetting(isPossible, "size", size, `a whole number in 1..${functions.length}`);
  requireSetting(step >= 1, "step", step, "at least 1");
  requireSetting(trials >= 1, "trials", trials, "at least 1");
  const invocations = functions.map((f) => f.invocationsPerMinute);
  const resources = functions.map(
    (f) => f.invocationsPerMinute * f.meanDurationMs * f.memoryMb * 1e-6,
  );
  const meanOf = (values: number[]) => values.reduce((a, b) => a + b, 0) / values.length || 1;
  const [invocationMean, resourceMean] = [meanOf(invocations), meanOf(resources)];
  const judge = (indices: number[]): FunctionSample => ({
    indices,
    invocationDistance: wassersteinDistance(
      indices.map((i) => invocations[i] as number),
      invocations,
    ),
    resourceDistance: wassersteinDistance(
      indices.map((i) => resources[i] as number),
      resources,
    ),
  });
  const badness = (sample: FunctionSample) =>
    sample.invocationDistance / invocationMean + sample.resourceDistance / resourceMean;
  let current = judge([...functions.keys()]);
  while (current.indices.length > size) {
    const next = Math.max(size, current.indices.length - step);
    let best: FunctionSample | undefined;
    for (let trial = 0; trial < trials; trial++) {
      const drawn = prng.shuffle(current.indices).slice(0, next);
      const sample = judge(drawn.sort((a, b) => a - b));
      if (best === undefined || badness(sample) < badness(best)) best = sample;
    }
    current = best as FunctionSample;
  }
  return current;
}
