import type { RoutingShape } from "../offload/routing.ts";

/** What a planner wants to know of how tokens choose experts, averaged over layers. */
export interface RoutingStatistics {
  /** Share of all uses that fall on the `hotCount` most used experts of their layer. */
  readonly hotShare: number;
  /** Experts besides the hot ones that `tokens` tokens choose in a layer, expected. */
  others(tokens: number): number;
}

/**
 * Statistics from counts of uses. An expert that is chosen by a share `q` of tokens is chosen by
 * one of `t` tokens with probability `1 - (1 - q)^t`, if tokens choose independently.
 *
 * @param uses  `[layerCount * expertCount]`
 */
export function routingStatistics(
  shape: RoutingShape,
  uses: Float64Array,
  hotCount: number,
): RoutingStatistics {
  const { expertCount, expertUsedCount, moeLayers } = shape;
  /** By layer: how likely a token chooses each expert, likeliest first. */
  const layers = moeLayers.map((layer) => {
    const own = Array.from(uses.subarray(layer * expertCount, (layer + 1) * expertCount));
    const total = own.reduce((sum, count) => sum + count, 0);
    const share = (count: number) => (total > 0 ? count / total : 1 / expertCount);
    return own.map((count) => Math.min(1, expertUsedCount * share(count))).sort((a, b) => b - a);
  });
  const mean = (of: (chances: number[]) => number) =>
    layers.reduce((sum, chances) => sum + of(chances), 0) / Math.max(1, layers.length);
  return {
    hotShare: mean((chances) => total(chances.slice(0, hotCount)) / total(chances)),
    others: (tokens) =>
      mean((chances) => total(chances.slice(hotCount).map((chance) => 1 - (1 - chance) ** tokens))),
  };
}

function total(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}
