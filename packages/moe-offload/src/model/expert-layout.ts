import { type GgufFile, type GgufTensor, getTensor } from "@fmlab/ggml";
import { EXPERT_PARTS, type ExpertPart } from "../engine/interfaces.ts";
import { badModel, type ModelDescription } from "./description.ts";
import { requireWeightType } from "./weight-types.ts";

/** Bytes of one part of one expert in a model file. */
export interface ByteRange {
  /** The file: one of several when the model is split. */
  path: string;
  /** 0-based number of that file among `paths` of the layout. */
  fileIndex: number;
  /** From the start of the file. */
  offset: number;
  sizeBytes: number;
}

/** One matrix of an expert: `[columns, rows]`, columns contiguous. */
export interface ExpertMatrix {
  readonly name: ExpertPart;
  /** ggml type number. */
  readonly type: number;
  readonly columns: number;
  readonly rows: number;
  readonly sizeBytes: number;
}

/** Layers whose experts are alike in types and shapes, so that they can share slots. */
export interface ExpertClass {
  readonly index: number;
  /** The layers, by rising number. */
  readonly layers: readonly number[];
  readonly parts: readonly ExpertMatrix[];
  /** Sum of the parts' sizes. */
  readonly expertBytes: number;
}

/** Where each expert's three matrices lie in the model's files. */
export interface ExpertLayout {
  /** All layers, those without experts included. */
  readonly layerCount: number;
  readonly expertCount: number;
  readonly expertUsedCount: number;
  /** The layers that have experts, by rising number. */
  readonly moeLayers: readonly number[];
  /** The model's files, in order. */
  readonly paths: readonly string[];
  /** Kinds of experts, in the order of their first layers. */
  readonly classes: readonly ExpertClass[];
  /** Parts of the first class; those of the whole model when it has one class. */
  readonly parts: readonly { readonly name: ExpertPart; readonly sizeBytes: number }[];
  /** Bytes of an expert of the first class. */
  readonly expertBytes: number;
  /** The class of a layer's experts. @throws RangeError for a layer without experts */
  classOfLayer(layer: number): ExpertClass;
  /** Range of one part of one expert. @throws RangeError for an expert that is not there */
  range(layer: number, expert: number, part: ExpertPart): ByteRange;
  /**
   * The slot of an expert in a pool that holds all of them: classes one after the other, in each
   * the layers by rising number. That is `layer * expertCount + expert` in a model of one class
   * without dense layers.
   */
  residentSlot(layer: number, expert: number): number;
}

/** The tensor that holds one part of all experts of a layer. */
interface PartSource {
  readonly tensor: GgufTensor;
  /** Bytes from one expert to the next. */
  readonly strideBytes: number;
  /** Where the part begins in its expert's bytes. */
  readonly firstByte: number;
  readonly matrix: ExpertMatrix;
}
type LayerSources = Record<ExpertPart, PartSource>;

/**
 * Finds the experts of a model. Expert `e` of a layer is the `e`-th slice of the layer's three 3-D
 * tensors `[columns, rows, expertCount]`, contiguous in the file; or of two, where gate and up are
 * fused to `ffn_gate_up_exps` `[columns, 2 * rows, expertCount]`, for each expert the gate first.
 *
 * @throws MoeError `BAD_MODEL` when a tensor's shape does not fit, `UNSUPPORTED_TENSOR_TYPE`
 * @throws GgufError `MISSING_TENSOR`
 */
export function expertLayout(file: GgufFile, model: ModelDescription): ExpertLayout {
  const { layerCount, moeLayers, expertCount, expertUsedCount } = model;
  const sources = new Map(moeLayers.map((layer) => [layer, sourcesOf(file, model, layer)]));
  const classes = classify(sources);
  const classByLayer = new Map(classes.flatMap((one) => one.layers.map((layer) => [layer, one])));
  const first = classes[0];
  if (!first) throw badModel(file, "it has no layers with experts");
  const check = (layer: number, expert: number) => {
    const found = sources.get(layer);
    if (found && Number.isInteger(expert) && expert >= 0 && expert < expertCount) return found;
    throw new RangeError(`the model has no expert ${expert} in layer ${layer}`);
  };
  return {
    layerCount,
    expertCount,
    expertUsedCount,
    moeLayers,
    paths: file.partPaths,
    classes,
    parts: first.parts,
    expertBytes: first.expertBytes,
    classOfLayer(layer) {
      const found = classByLayer.get(layer);
      if (!found) throw new RangeError(`the model has no experts in layer ${layer}`);
      return found;
    },
    range(layer, expert, part) {
      const { tensor, strideBytes, firstByte, matrix } = check(layer, expert)[part];
      return {
        path: tensor.path,
        fileIndex: tensor.part,
        offset: tensor.offset + expert * strideBytes + firstByte,
        sizeBytes: matrix.sizeBytes,
      };
    },
    residentSlot(layer, expert) {
      check(layer, expert);
      let before = 0;
      for (const { layers } of classes) {
        const rank = layers.indexOf(layer);
        if (rank >= 0) return (before + rank) * expertCount + expert;
        before += layers.length;
      }
      throw new RangeError(`the model has no experts in layer ${layer}`);
    },
  };
}

/**
 * Deals slots out to the classes of a model by their shares of its experts; each class gets at
 * least as many as one token uses of a layer, and at most as many as it has experts. Exactly all
 * experts for as many slots as there are experts.
 */
export function shareSlots(layout: ExpertLayout, slotCount: number): number[] {
  const { classes, expertCount, expertUsedCount, moeLayers } = layout;
  let slotsLeft = slotCount;
  let layersLeft = moeLayers.length;
  return classes.map(({ layers }, index) => {
    const reserved = (classes.length - 1 - index) * expertUsedCount;
    const share = Math.floor((slotsLeft * layers.length) / layersLeft);
    const most = Math.min(layers.length * expertCount, slotsLeft - reserved);
    const slots = Math.min(Math.max(share, expertUsedCount), most);
    slotsLeft -= slots;
    layersLeft -= layers.length;
    return slots;
  });
}

function classify(sources: ReadonlyMap<number, LayerSources>): ExpertClass[] {
  const layersByKey = new Map<string, number[]>();
  for (const [layer, parts] of sources) {
    const matrices = EXPERT_PARTS.map((part) => parts[part].matrix);
    const key = matrices.map(({ type, columns, rows }) => [type, columns, rows]).join(";");
    const layers = layersByKey.get(key);
    if (layers) layers.push(layer);
    else layersByKey.set(key, [layer]);
  }
  return [...layersByKey.values()].map((layers, index) => {
    const found = sources.get(layers[0] ?? -1);
    const parts = found ? EXPERT_PARTS.map((part) => found[part].matrix) : [];
    const expertBytes = parts.reduce((sum, part) => sum + part.sizeBytes, 0);
    return { index, layers, parts, expertBytes };
  });
}

function sourcesOf(file: GgufFile, model: ModelDescription, layer: number): LayerSources {
  const fused = file.tensors.get(`blk.${layer}.ffn_gate_up_exps.weight`);
  const find = (part: ExpertPart) => getTensor(file, `blk.${layer}.ffn_${part}_exps.weight`);
  return {
    gate: sourceOf(file, model, "gate", fused ?? find("gate"), fused && 0),
    up: sourceOf(file, model, "up", fused ?? find("up"), fused && 1),
    down: sourceOf(file, model, "down", find("down")),
  };
}

/** @param half which half of a fused tensor the part is; undefined for a tensor of its own */
function sourceOf(
  file: GgufFile,
  model: ModelDescription,
  name: ExpertPart,
  tensor: GgufTensor,
  half?: number,
): PartSource {
  const { embeddingLength: width, expertFeedForwardLength: inner, expertCount } = model;
  const [columns, rows] = name === "down" ? [inner, width] : [width, inner];
  const expected = [columns, half === undefined ? rows : 2 * rows, expertCount];
  if (tensor.shape.join() !== expected.join()) {
    throw badModel(file, `${tensor.name} has shape [${tensor.shape}], expected [${expected}]`);
  }
  requireWeightType(file, tensor);
  const strideBytes = tensor.sizeBytes / expertCount;
  const sizeBytes = half === undefined ? strideBytes : strideBytes / 2;
  const matrix = { name, type: tensor.type, columns, rows, sizeBytes };
  return { tensor, strideBytes, firstByte: (half ?? 0) * sizeBytes, matrix };
}
