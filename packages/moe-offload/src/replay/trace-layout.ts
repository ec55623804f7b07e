import type { ExpertClass, ExpertLayout } from "../model/expert-layout.ts";
import type { RoutingShape } from "../offload/routing.ts";

/**
 * The layout of a model that has sizes but no files, so that a replay buys its slots by the rules
 * of the engine (`planExpertMemory`). Layers whose experts have the same size share slots.
 *
 * @param expertBytes  by layer
 */
export function traceLayout(
  shape: RoutingShape,
  expertBytes: (layer: number) => number,
): ExpertLayout {
  const sizes = [...new Set(shape.moeLayers.map(expertBytes))];
  const classes: ExpertClass[] = sizes.map((bytes, index) => ({
    index,
    layers: shape.moeLayers.filter((layer) => expertBytes(layer) === bytes),
    parts: [],
    expertBytes: bytes,
  }));
  const places = classes.flatMap((one) => one.layers);
  return {
    ...shape,
    paths: [],
    classes,
    parts: [],
    expertBytes: sizes[0] ?? 0,
    classOfLayer(layer) {
      const found = classes.find((one) => one.layers.includes(layer));
      if (found === undefined) throw new RangeError(`layer ${layer} has no routed experts`);
      return found;
    },
    range(layer, expert) {
      throw new RangeError(`expert ${expert} of layer ${layer} has no bytes: a trace has no files`);
    },
    residentSlot: (layer, expert) => places.indexOf(layer) * shape.expertCount + expert,
  };
}
