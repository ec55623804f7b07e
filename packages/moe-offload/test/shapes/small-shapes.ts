import { SHAPE_MODELS, SHAPE_NAMES, type ShapeName } from "../../src/shapes/shape-model.ts";
import { shrinkShape } from "../../src/shapes/shrink.ts";

/** Tokens of a small shape's vocabulary. */
export const SMALL_VOCABULARY = 320;

/** Two layers with experts, four experts, an eighth or a quarter of the width. */
export function smallShape(name: ShapeName) {
  const model = SHAPE_MODELS[name];
  return shrinkShape(model, {
    layerCount: model.denseLead + 2,
    expertCount: 4,
    widthDivisor: name.startsWith("mixtral") ? 8 : 4,
    vocabularySize: SMALL_VOCABULARY,
    contextLength: 64,
  });
}

/** Every shape, small, for `it.each`. */
export const SMALL_SHAPES = SHAPE_NAMES.map((name) => [name, smallShape(name)] as const);
