import {
  encodeGguf,
  GgmlLibrary,
  type GgufInput,
  type GgufTensorInput,
  type GgufValue,
  quantise,
  TENSOR_TYPE,
  type TensorTypeName,
  tensorTypeInfo,
} from "@fmlab/ggml";
import { createPrng, type Prng } from "@fmlab/sim";
import { type Architecture, traitsOf } from "../../src/model/architectures.ts";
import { BYTE_TOKENS, byteTokenizer } from "../model/byte-tokenizer.ts";

/** A model to make up. Left out, a part of it is as usual for its architecture. */
export interface RandomModel {
  architecture: Architecture;
  seed: number;
  layers: number;
  width: number;
  heads: number;
  kvHeads: number;
  /** Elements of a head; width / heads when left out. */
  headLength?: number;
  experts: number;
  used: number;
  inner: number;
  /** Width of the shared expert (qwen2moe, granitemoe); deepseek has `sharedCount`. */
  sharedInner?: number;
  sharedCount?: number;
  /** Layers without experts at the start, and the width of their network. */
  denseLead?: number;
  denseInner?: number;
  context: number;
  ropeBase: number;
  epsilon: number;
  biases?: boolean;
  outputBias?: boolean;
  tied?: boolean;
  ropeFactors?: boolean;
  /** Gate and up in one tensor. */
  fusedGateUp?: boolean;
  /** Queries, keys and values in one tensor. */
  fusedQkv?: boolean;
  /** Keys beside the usual ones, without the architecture's prefix; they win. */
  keys?: Record<string, GgufValue>;
  /** Factors of matrices by the end of their names, as `types`. */
  factors?: Partial<Record<string, number>>;
  /**
   * Types of the matrices by the end of their names, with or without the layer before it
   * (`1.ffn_down_exps`). The others are Q8_0, but embedding, output and routers F32: a product with
   * a quantised matrix rounds its input, so that differences in last bits before it do not show.
   */
  types?: Partial<Record<string, TensorTypeName>>;
}

type Named = readonly [name: string, ...shape: number[]];

/**
 * A file with random weights and a byte tokenizer: what llama.cpp and the engine compute on it is
 * noise, but must be the same noise.
 */
export function randomModelFile(model: RandomModel): Uint8Array {
  return encodeGguf(randomModel(model));
}

/** The parts of such a file. */
export function randomModel(model: RandomModel): GgufInput {
  const prng = createPrng(model.seed, "weights");
  const tensors = shapesOf(model).map(([name, ...shape]) => ({
    name,
    shape,
    ...weights(model, name, shape, prng.fork(name)),
  }));
  return {
    metadata: [...metadataOf(model), ...byteTokenizer()],
    tensors: fuse(model, tensors),
  };
}

const count = (value: number): GgufValue => ({ type: "uint32", value });
/** A metadata value of a fraction. */
export const float = (value: number): GgufValue => ({ type: "float32", value });

function metadataOf(model: RandomModel): [string, GgufValue][] {
  const prefix = model.architecture;
  const keys: Record<string, GgufValue> = {
    block_count: count(model.layers),
    context_length: count(model.context),
    embedding_length: count(model.width),
    feed_forward_length: count(model.denseInner ?? model.inner),
    "attention.head_count": count(model.heads),
    "attention.head_count_kv": count(model.kvHeads),
    expert_count: count(model.experts),
    expert_used_count: count(model.used),
    "rope.freq_base": float(model.ropeBase),
    "attention.layer_norm_rms_epsilon": float(model.epsilon),
  };
  if (model.headLength !== undefined) {
    keys["attention.key_length"] = count(model.headLength);
    keys["attention.value_length"] = count(model.headLength);
    keys["rope.dimension_count"] = count(model.headLength);
  }
  if (traitsOf(prefix).expertWidth !== "feed_forward_length") {
    keys.expert_feed_forward_length = count(model.inner);
  }
  if (model.sharedInner) keys.expert_shared_feed_forward_length = count(model.sharedInner);
  if (prefix === "deepseek") {
    keys.leading_dense_block_count = count(model.denseLead ?? 0);
    keys.expert_shared_count = count(model.sharedCount ?? 1);
    keys.expert_weights_scale = float(1);
  }
  if (prefix === "granitemoe") {
    keys.embedding_scale = float(12);
    keys.residual_scale = float(0.22);
    keys["attention.scale"] = float(0.015_625);
    keys.logit_scale = float(6);
  }
  return [
    ["general.architecture", { type: "string", value: prefix }],
    ...Object.entries({ ...keys, ...model.keys }).map(([key, value]): [string, GgufValue] => [
      `${prefix}.${key}`,
      value,
    ]),
  ];
}

function shapesOf(model: RandomModel): Named[] {
  const { width, layers, tied, ropeFactors } = model;
  const head = model.headLength ?? width / model.heads;
  return [
    ["token_embd.weight", width, BYTE_TOKENS.length],
    ["output_norm.weight", width],
    ...(tied ? [] : ([["output.weight", width, BYTE_TOKENS.length]] as Named[])),
    ...(ropeFactors ? ([["rope_freqs.weight", head / 2]] as Named[]) : []),
    ...Array.from({ length: layers }, (_, layer) =>
      [...attentionShapes(model, head), ...networkShapes(model, layer)].map(
        ([name, ...shape]): Named => [`blk.${layer}.${name}`, ...shape],
      ),
    ).flat(),
  ];
}

function attentionShapes(model: RandomModel, head: number): Named[] {
  const { width, heads, kvHeads } = model;
  const norm = traitsOf(model.architecture).queryKeyNorm;
  const [q, k] = [heads * head, kvHeads * head];
  const shapes: Named[] = [
    ["attn_norm.weight", width],
    ["attn_q.weight", width, q],
    ["attn_k.weight", width, k],
    ["attn_v.weight", width, k],
    ["attn_output.weight", q, width],
  ];
  const hasBiases = model.biases ?? model.architecture === "qwen2moe";
  if (hasBiases) shapes.push(["attn_q.bias", q], ["attn_k.bias", k], ["attn_v.bias", k]);
  if (model.outputBias) shapes.push(["attn_output.bias", width]);
  if (norm !== "none") {
    const isWhole = norm === "whole";
    shapes.push(["attn_q_norm.weight", isWhole ? q : head]);
    shapes.push(["attn_k_norm.weight", isWhole ? k : head]);
  }
  return shapes;
}

function networkShapes(model: RandomModel, layer: number): Named[] {
  const { width, inner, experts } = model;
  const network = (tail: string, size: number): Named[] => [
    [`ffn_gate${tail}.weight`, width, size],
    [`ffn_up${tail}.weight`, width, size],
    [`ffn_down${tail}.weight`, size, width],
  ];
  const norm: Named = ["ffn_norm.weight", width];
  if (layer < (model.denseLead ?? 0)) return [norm, ...network("", model.denseInner ?? inner)];
  const shared = model.sharedInner ?? (model.sharedCount ?? 0) * inner;
  const isGated = traitsOf(model.architecture).sharedExpert === "gated";
  return [
    norm,
    ["ffn_gate_inp.weight", width, experts],
    ...network("_exps", inner).map((shape): Named => [...shape, experts] as unknown as Named),
    ...(isGated ? ([["ffn_gate_inp_shexp.weight", width]] as Named[]) : []),
    ...(shared > 0 ? network("_shexp", shared) : []),
  ];
}

function weights(model: RandomModel, name: string, shape: readonly number[], prng: Prng) {
  const columns = shape[0] ?? 1;
  const size = shape.reduce((product, length) => product * length, 1);
  const short = name.replace(/^blk\./, "").replace(/\.(weight|bias)$/, "");
  const find = <T>(table: Partial<Record<string, T>> | undefined) =>
    table?.[short] ?? table?.[short.replace(/^\d+\./, "")];
  const isVector = shape.length === 1 || name.includes("gate_inp");
  const isExact = isVector || short === "output" || short === "token_embd";
  const type = TENSOR_TYPE[find(model.types) ?? (isExact ? "F32" : "Q8_0")];
  // Around 1 what multiplies, around 0 what adds; sums of `columns` terms keep their size.
  const isFactor = name.includes("norm") || name.includes("rope");
  const deviation = 1 / Math.sqrt(columns);
  const factor = find(model.factors) ?? 1;
  const fixed = RANDOM_BLOCKS[type];
  if (fixed) return { type, bytes: randomBlocks(type, size, fixed, prng) };
  // Uniform numbers cost a fifth of normal ones; 3.46 gives them the same deviation.
  const values = Float32Array.from({ length: size }, () => {
    const centred = prng.nextFloat() - 0.5;
    return isFactor ? 1 + 0.2 * centred : factor * 3.46 * deviation * centred;
  });
  return { type, bytes: quantise(GgmlLibrary.load(), type, values, columns) };
}

/** Bytes of a block that are not random: its scales, of moderate size. `[first byte, bytes]` */
type FixedBytes = readonly [number, readonly number[]];

/**
 * Types that are slow to quantise to. Any bits of theirs are weights but for the scales, half
 * precision 2^-7 (TQ: 2^-4; MXFP4: an exponent; IQ1_M: one nibble in each of four words).
 * @see ggml-common.h, `block_iq2_xxs` and others
 */
const RANDOM_BLOCKS: Partial<Record<number, FixedBytes>> = {
  [TENSOR_TYPE.IQ2_XXS]: [0, [0x00, 0x20]],
  [TENSOR_TYPE.IQ2_XS]: [0, [0x00, 0x20]],
  [TENSOR_TYPE.IQ2_S]: [0, [0x00, 0x20]],
  [TENSOR_TYPE.IQ3_XXS]: [0, [0x00, 0x20]],
  [TENSOR_TYPE.IQ3_S]: [0, [0x00, 0x20]],
  [TENSOR_TYPE.IQ1_S]: [0, [0x00, 0x20]],
  [TENSOR_TYPE.IQ1_M]: [48, [0x55, 0x05, 0x55, 0x05, 0x55, 0x05, 0x55, 0x25]],
  [TENSOR_TYPE.TQ1_0]: [52, [0x00, 0x2c]],
  [TENSOR_TYPE.TQ2_0]: [64, [0x00, 0x2c]],
  [TENSOR_TYPE.MXFP4]: [0, [122]],
};

function randomBlocks(type: number, size: number, [first, fixed]: FixedBytes, prng: Prng) {
  const { blockBytes, blockElements } = tensorTypeInfo(type);
  const bytes = new Uint8Array((size / blockElements) * blockBytes);
  for (let i = 0; i < bytes.length; i++) bytes[i] = prng.nextInt(256);
  for (let block = 0; block < bytes.length; block += blockBytes) bytes.set(fixed, block + first);
  return bytes;
}

/** Joins tensors of the same weights: experts' gates and ups, and queries, keys and values. */
function fuse(model: RandomModel, tensors: GgufTensorInput[]): GgufTensorInput[] {
  let all = tensors;
  const join = (names: string[], fused: string, slices: number) => {
    const parts = names.map((name) => all.find((tensor) => tensor.name === name));
    const [first] = parts;
    if (!first || parts.some((part) => part?.type !== first.type)) return;
    const found = parts as GgufTensorInput[];
    const bytes = Buffer.concat(
      Array.from({ length: slices }, (_, slice) =>
        found.map(({ bytes: own }) => {
          const length = own.length / slices;
          return own.subarray(slice * length, (slice + 1) * length);
        }),
      ).flat(),
    );
    const axis = first.shape.length === 1 ? 0 : 1;
    const shape = [...first.shape];
    shape[axis] = found.reduce((sum, part) => sum + (part.shape[axis] ?? 0), 0);
    const others = all.filter((tensor) => !names.includes(tensor.name));
    all = [...others, { ...first, name: fused, shape, bytes: Uint8Array.from(bytes) }];
  };
  for (let layer = 0; layer < model.layers; layer++) {
    const name = (tail: string) => `blk.${layer}.${tail}`;
    if (model.fusedGateUp) {
      const names = [name("ffn_gate_exps.weight"), name("ffn_up_exps.weight")];
      join(names, name("ffn_gate_up_exps.weight"), model.experts);
    }
    for (const tail of model.fusedQkv ? ["weight", "bias"] : []) {
      const names = ["q", "k", "v"].map((matrix) => name(`attn_${matrix}.${tail}`));
      join(names, name(`attn_qkv.${tail}`), 1);
    }
  }
  return all;
}
