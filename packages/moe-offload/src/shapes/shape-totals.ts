import type { PublishedNumber } from "../traces/model-shapes.ts";
import type { ShapeModel, ShapeName } from "./shape-model.ts";
import { shapeTensors } from "./shape-tensors.ts";
import { DEFAULT_STORAGE, type ShapeStorage } from "./shape-types.ts";

/** How large a shape is. */
export interface ShapeTotals {
  readonly parameters: number;
  /** Parameters that one token's computation touches; both ends of the model counted whole. */
  readonly activeParameters: number;
  /** Bytes of all tensors. */
  readonly sizeBytes: number;
  /** Bytes of all routed experts, and of one. */
  readonly allExpertBytes: number;
  readonly expertBytes: number;
}

/** Adds up the tensors of a shape. */
export function shapeTotals(
  model: ShapeModel,
  storage: ShapeStorage = DEFAULT_STORAGE,
): ShapeTotals {
  let [parameters, expertParameters, sizeBytes, allExpertBytes] = [0, 0, 0, 0];
  for (const tensor of shapeTensors(model, storage)) {
    parameters += tensor.elements;
    sizeBytes += tensor.sizeBytes;
    if (!tensor.name.includes("_exps.")) continue;
    expertParameters += tensor.elements;
    allExpertBytes += tensor.sizeBytes;
  }
  const { denseLead, expertCount, expertUsedCount, layerCount } = model;
  const unused = 1 - expertUsedCount / expertCount;
  return {
    parameters,
    activeParameters: parameters - expertParameters * unused,
    sizeBytes,
    allExpertBytes,
    expertBytes: allExpertBytes / ((layerCount - denseLead) * expertCount),
  };
}

const CARD = "the model's card (general knowledge, not checked against the card)";
const billions = (value: number, source = CARD): PublishedNumber => ({
  value: value * 1e9,
  source,
});

/** Published totals, to compare with. */
export const PUBLISHED_TOTALS: Readonly<
  Record<ShapeName, { parameters: PublishedNumber; activeParameters: PublishedNumber }>
> = {
  "mixtral-8x7b": {
    parameters: billions(46.7, "Klotski, ASPLOS'25, table of models"),
    activeParameters: billions(12.9),
  },
  "mixtral-8x22b": {
    parameters: billions(141, "Klotski, ASPLOS'25, table of models"),
    activeParameters: billions(39),
  },
  "qwen1.5-moe-a2.7b": {
    parameters: billions(14.3, "Fate's code, configurations"),
    activeParameters: billions(2.7),
  },
  "deepseek-moe-16b": {
    parameters: billions(16.4, "Fate's code, configurations"),
    activeParameters: billions(2.8),
  },
  "olmoe-1b-7b": { parameters: billions(6.9), activeParameters: billions(1.3) },
  "qwen3-30b-a3b": { parameters: billions(30.5), activeParameters: billions(3.3) },
};
