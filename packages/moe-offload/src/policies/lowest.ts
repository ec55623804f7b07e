import type { ExpertKey } from "../offload/routing.ts";

/**
 * Index of the candidate of lowest value. Ties go to the lower key, so that the answer does not
 * depend on the order in which the candidates are told.
 *
 * @param values      by key; none may be NaN
 * @param candidates  keys; the first `count` entries are valid, `count >= 1`
 */
export function indexOfLowest(values: Float64Array, candidates: Int32Array, count: number): number {
  let best = 0;
  let bestKey: ExpertKey = candidates[0] ?? 0;
  let lowest = values[bestKey] ?? 0;
  for (let i = 1; i < count; i++) {
    const key = candidates[i] ?? 0;
    const value = values[key] ?? 0;
    if (value < lowest || (value === lowest && key < bestKey)) {
      best = i;
      bestKey = key;
      lowest = value;
    }
  }
  return best;
}
