import { TENSOR_TYPE, type TensorType, tensorTypeInfo } from "@fmlab/ggml";
import { traitsOf } from "../model/architectures.ts";
import type { ShapeModel } from "./shape-model.ts";
import type { ShapeStorage } from "./shape-types.ts";
import { storedType } from "./stored-type.ts";

/** What numbers a tensor holds. */
export type ShapeContent =
  /** 1 throughout. */
  | { readonly kind: "ones" }
  /** Normally distributed around 0. */
  | { readonly kind: "random"; readonly deviation: number };

/** One tensor of a shape. */
export interface ShapeTensor {
  readonly name: string;
  readonly type: TensorType;
  /** In ne order, the contiguous dimension first. */
  readonly shape: readonly number[];
  readonly elements: number;
  readonly sizeBytes: number;
  readonly content: ShapeContent;
}

/** Standard deviation of biases: small beside the products of unit size that they are added to. */
const BIAS_DEVIATION = 0.02;

/**
 * All tensors of a shape in the order of its file: what its architecture needs and nothing else.
 * Matrices have a standard deviation of 1 / sqrt(columns), so that products keep the size of their
 * inputs; rows of the embedding have one of 1, as the layers add to them what is about as large.
 * @see llama.cpp src/llama-model.cpp `load_tensors` (b7347)
 */
export function shapeTensors(model: ShapeModel, storage: ShapeStorage): ShapeTensor[] {
  const { embeddingLength: width, layerCount, vocabularySize } = model;
  const embedding = matrix("token_embd.weight", [width, vocabularySize], storage.dense);
  return [
    { ...embedding, content: { kind: "random", deviation: 1 } },
    norm("output_norm.weight", width),
    matrix("output.weight", [width, vocabularySize], storage.dense),
    ...Array.from({ length: layerCount }, (_, layer) =>
      [...attention(model, storage), ...network(model, storage, layer)].map((tensor) => ({
        ...tensor,
        name: `blk.${layer}.${tensor.name}`,
      })),
    ).flat(),
  ];
}

function attention(model: ShapeModel, { dense }: ShapeStorage): ShapeTensor[] {
  const { embeddingLength: width, headCount, headCountKv, headLength, hasBiases } = model;
  const { queryKeyNorm } = traitsOf(model.architecture);
  const [queries, keys] = [headCount * headLength, headCountKv * headLength];
  const tensors = [
    norm("attn_norm.weight", width),
    matrix("attn_q.weight", [width, queries], dense),
    matrix("attn_k.weight", [width, keys], dense),
    matrix("attn_v.weight", [width, keys], dense),
    matrix("attn_output.weight", [queries, width], dense),
  ];
  if (hasBiases) {
    tensors.push(bias("attn_q.bias", queries), bias("attn_k.bias", keys));
    tensors.push(bias("attn_v.bias", keys));
  }
  if (queryKeyNorm !== "none") {
    const isWhole = queryKeyNorm === "whole";
    tensors.push(norm("attn_q_norm.weight", isWhole ? queries : headLength));
    tensors.push(norm("attn_k_norm.weight", isWhole ? keys : headLength));
  }
  return tensors;
}

function network(model: ShapeModel, storage: ShapeStorage, layer: number): ShapeTensor[] {
  const { denseLead, denseLength, embeddingLength: width, expertCount, sharedLength } = model;
  const first = norm("ffn_norm.weight", width);
  if (layer < denseLead) return [first, ...gated("", width, denseLength, storage.dense)];
  const isGated = traitsOf(model.architecture).sharedExpert === "gated";
  return [
    first,
    router("ffn_gate_inp.weight", [width, expertCount]),
    ...gated("_exps", width, model.expertLength, storage.experts, expertCount),
    ...(isGated ? [router("ffn_gate_inp_shexp.weight", [width])] : []),
    ...(sharedLength > 0 ? gated("_shexp", width, sharedLength, storage.dense) : []),
  ];
}

/** Gate, up and down; `experts` of them behind each other where there are several. */
function gated(
  tail: string,
  width: number,
  inner: number,
  type: ShapeStorage["dense"],
  experts?: number,
): ShapeTensor[] {
  const rest = experts === undefined ? [] : [experts];
  return [
    matrix(`ffn_gate${tail}.weight`, [width, inner, ...rest], type),
    matrix(`ffn_up${tail}.weight`, [width, inner, ...rest], type),
    matrix(`ffn_down${tail}.weight`, [inner, width, ...rest], type),
  ];
}

function matrix(name: string, shape: number[], wanted: ShapeStorage["dense"]): ShapeTensor {
  const [columns = 1] = shape;
  return tensor(name, storedType(wanted, columns), shape, unitProducts(columns));
}

function router(name: string, shape: number[]): ShapeTensor {
  return tensor(name, TENSOR_TYPE.F32, shape, unitProducts(shape[0] ?? 1));
}

function unitProducts(columns: number): ShapeContent {
  return { kind: "random", deviation: 1 / Math.sqrt(columns) };
}

function norm(name: string, length: number): ShapeTensor {
  return tensor(name, TENSOR_TYPE.F32, [length], { kind: "ones" });
}

function bias(name: string, length: number): ShapeTensor {
  const content = { kind: "random", deviation: BIAS_DEVIATION } as const;
  return tensor(name, TENSOR_TYPE.F32, [length], content);
}

function tensor(
  name: string,
  type: TensorType,
  shape: readonly number[],
  content: ShapeContent,
): ShapeTensor {
  const elements = shape.reduce((product, length) => product * length, 1);
  const { blockBytes, blockElements } = tensorTypeInfo(type);
  return {
    name,
    type,
    shape,
    elements,
    sizeBytes: (elements / blockElements) * blockBytes,
    content,
  };
}
