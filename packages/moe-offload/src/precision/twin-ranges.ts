import type { ExpertLayout } from "../model/expert-layout.ts";
import type { ExpertKey, RoutingShape } from "../offload/routing.ts";
import type { ExpertRanges } from "../tiers/expert-table.ts";

/** Keys of a model's own experts are below this; the twin of an expert is this much above it. */
export function twinKeyBase({ layerCount, expertCount }: RoutingShape): ExpertKey {
  return layerCount * expertCount;
}

/**
 * A model's experts and their twins as one set of ranges, for a lane that moves both: the twin of
 * an expert is the same expert `layerCount` layers on.
 *
 * @param twins  the layout of the twins' file, over the same layers and experts
 */
export function withTwins(layout: ExpertLayout, twins: ExpertLayout): ExpertRanges {
  const { expertCount, layerCount, moeLayers } = layout;
  return {
    expertCount,
    moeLayers: [...moeLayers, ...moeLayers.map((layer) => layerCount + layer)],
    range: (layer, expert, part) =>
      layer < layerCount
        ? layout.range(layer, expert, part)
        : twins.range(layer - layerCount, expert, part),
  };
}
