import type { ExpertKey } from "../offload/routing.ts";

/** What is loaded ahead is used with at least this probability; chosen. */
const PROBABILITY_MIN = 0.5;

/**
 * The experts of a layer that `tokens` tokens will probably use, the most popular first. If tokens
 * choose independently, an expert with a share `q` of all uses is chosen by one of them with the
 * probability `1 - (1 - used * q)^tokens`. Without statistics all shares are alike.
 *
 * @param uses  of each expert on earlier text, `[layerCount * expertCount]`
 */
export function expectedKeys(
  model: { readonly expertCount: number; readonly expertUsedCount: number },
  uses: Float64Array,
  layer: number,
  tokens: number,
): ExpertKey[] {
  const { expertCount, expertUsedCount } = model;
  const first = layer * expertCount;
  const own = Array.from(uses.subarray(first, first + expertCount));
  // One use more for each, so that an expert not seen yet is not taken for one that never comes.
  const total = own.reduce((sum, count) => sum + count + 1, 0);
  return own
    .map((count, expert) => ({ expert, count }))
    .filter(({ count }) => {
      const share = Math.min(1, (expertUsedCount * (count + 1)) / total);
      return 1 - (1 - share) ** tokens >= PROBABILITY_MIN;
    })
    .sort((a, b) => b.count - a.count || a.expert - b.expert)
    .map(({ expert }) => first + expert);
}
