/**
 * How many pairs stand the wrong way round: i < j with ranks[i] > ranks[j]. Equal ranks are never
 * an inversion. Merge sort, O(n log n); the input is left as it is.
 *
 * @param ranks finite numbers; at most 2^26 of them, so that the count stays exact
 */
export function countInversions(ranks: ArrayLike<number>): number {
  let from = Float64Array.from(ranks);
  let to = new Float64Array(from.length);
  let inversions = 0;
  for (let width = 1; width < from.length; width *= 2) {
    for (let start = 0; start < from.length; start += 2 * width) {
      const middle = Math.min(start + width, from.length);
      const end = Math.min(start + 2 * width, from.length);
      inversions += mergeRuns(from, to, start, middle, end);
    }
    [from, to] = [to, from];
  }
  return inversions;
}

/** Merges two sorted runs; every item taken from the right jumps over those left of it. */
function mergeRuns(
  from: Float64Array,
  to: Float64Array,
  start: number,
  middle: number,
  end: number,
): number {
  let left = start;
  let right = middle;
  let inversions = 0;
  for (let at = start; at < end; at++) {
    const takesLeft =
      right >= end || (left < middle && (from[left] as number) <= (from[right] as number));
    if (!takesLeft) inversions += middle - left;
    to[at] = from[takesLeft ? left++ : right++] as number;
  }
  return inversions;
}
