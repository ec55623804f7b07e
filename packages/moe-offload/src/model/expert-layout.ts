import { type GgufFile, type GgufTensor, getTensor } from "@fmlab/ggml";
import { EXPERT_PARTS, type ExpertPart } from "../engine/interfaces.ts";
import { badModel, type ModelDescription } from "./description.ts";

/** Bytes of one part of one expert in the model file. */
export interface ByteRange {
  /** From the start of the file. */
  offset: number;
  sizeBytes: number;
}

/** Where each expert's three matrices lie in the model file. */
export interface ExpertLayout {
  readonly layerCount: number;
  readonly expertCount: number;
  readonly expertUsedCount: number;
  /** Sizes of the parts; equal for all experts of all layers. */
  readonly parts: readonly { readonly name: ExpertPart; readonly sizeBytes: number }[];
  /** Sum of the parts' sizes. */
  readonly expertBytes: number;
  /** Range of one part of one expert. */
  range(layer: number, expert: number, part: ExpertPart): ByteRange;
}

/**
 * Finds the experts of a model. Expert `e` of a layer is the `e`-th slice of the layer's three 3-D
 * tensors `[width, rows, expertCount]`, contiguous in the file.
 *
 * @throws MoeError `BAD_MODEL` when a tensor's shape does not fit, or sizes differ between layers
 * @throws GgufError `MISSING_TENSOR`
 */
export function expertLayout(file: GgufFile, model: ModelDescription): ExpertLayout {
  const tensors = new Map<ExpertPart, GgufTensor[]>();
  for (const part of EXPERT_PARTS) {
    const ofPart = Array.from({ length: model.layerCount }, (_, layer) =>
      expertTensor(file, model, layer, part),
    );
    const first = ofPart[0];
    const other = ofPart.find((t) => t.type !== first?.type);
    if (first !== undefined && other !== undefined) {
      throw badModel(
        file,
        `${other.name} is ${other.typeName} but ${first.name} is ${first.typeName}; ` +
          "one pool of slots needs one type for all layers",
      );
    }
    tensors.set(part, ofPart);
  }
  const sliceBytes = (part: ExpertPart) =>
    (tensors.get(part)?.[0]?.sizeBytes ?? 0) / model.expertCount;
  const parts = EXPERT_PARTS.map((name) => ({ name, sizeBytes: sliceBytes(name) }));
  return {
    layerCount: model.layerCount,
    expertCount: model.expertCount,
    expertUsedCount: model.expertUsedCount,
    parts,
    expertBytes: parts.reduce((sum, part) => sum + part.sizeBytes, 0),
    range(layer, expert, part) {
      const tensor = tensors.get(part)?.[layer];
      if (tensor === undefined || !(expert >= 0 && expert < model.expertCount)) {
        throw new RangeError(`the model has no expert ${expert} in layer ${layer}`);
      }
      const sizeBytes = tensor.sizeBytes / model.expertCount;
      return { offset: tensor.offset + expert * sizeBytes, sizeBytes };
    },
  };
}

function expertTensor(
  file: GgufFile,
  model: ModelDescription,
  layer: number,
  part: ExpertPart,
): GgufTensor {
  const tensor = getTensor(file, `blk.${layer}.ffn_${part}_exps.weight`);
  const { embeddingLength, expertFeedForwardLength, expertCount } = model;
  const expected =
    part === "down"
      ? [expertFeedForwardLength, embeddingLength, expertCount]
      : [embeddingLength, expertFeedForwardLength, expertCount];
  if (tensor.shape.join() !== expected.join()) {
    throw badModel(file, `${tensor.name} has shape [${tensor.shape}], expected [${expected}]`);
  }
  return tensor;
}
