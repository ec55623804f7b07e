import {
  encodeGguf,
  GgmlLibrary,
  type GgufFile,
  type GgufValue,
  quantise,
  TENSOR_TYPE,
  type TensorTypeName,
} from "@fmlab/ggml";
import { createPrng, type Prng } from "@fmlab/sim";

/** Sizes of a model to make up; every one differs from the shipped model's in some test. */
export interface RandomModel {
  seed: number;
  layers: number;
  width: number;
  heads: number;
  kvHeads: number;
  experts: number;
  used: number;
  inner: number;
  sharedInner: number;
  context: number;
  ropeBase: number;
  /** Linear scaling of positions, 1 = none. */
  ropeFactor: number;
  epsilon: number;
  /** Types of the matrices by the end of their names; the others are Q8_0. */
  types: Partial<Record<string, TensorTypeName>>;
}

/**
 * A qwen2moe file with random weights and the tokenizer of `tokenizerOf`: what llama.cpp and the
 * engine compute on it is noise, but must be the same noise.
 */
export function randomModelFile(model: RandomModel, tokenizerOf: GgufFile): Uint8Array {
  const tokenizer = [...tokenizerOf.metadata].filter(([key]) => key.startsWith("tokenizer."));
  const tokens = tokenizerOf.metadata.get("tokenizer.ggml.tokens");
  if (tokens?.type !== "array") throw new Error("the file has no tokenizer");
  const metadata = [...metadataOf(model), ...tokenizer];
  const prng = createPrng(model.seed, "weights");
  const tensors = shapesOf(model, tokens.value.length).map(([name, ...shape]) => ({
    name,
    shape,
    ...weights(model, name, shape, prng.fork(name)),
  }));
  return encodeGguf({ metadata, tensors });
}

function metadataOf(model: RandomModel): [string, GgufValue][] {
  const count = (value: number): GgufValue => ({ type: "uint32", value });
  const float = (value: number): GgufValue => ({ type: "float32", value });
  const keys: [string, GgufValue][] = [
    ["block_count", count(model.layers)],
    ["context_length", count(model.context)],
    ["embedding_length", count(model.width)],
    ["feed_forward_length", count(model.inner)],
    ["attention.head_count", count(model.heads)],
    ["attention.head_count_kv", count(model.kvHeads)],
    ["expert_count", count(model.experts)],
    ["expert_used_count", count(model.used)],
    ["expert_feed_forward_length", count(model.inner)],
    ["expert_shared_feed_forward_length", count(model.sharedInner)],
    ["rope.freq_base", float(model.ropeBase)],
    ["attention.layer_norm_rms_epsilon", float(model.epsilon)],
  ];
  if (model.ropeFactor !== 1) {
    keys.push(["rope.scaling.type", { type: "string", value: "linear" }]);
    keys.push(["rope.scaling.factor", float(model.ropeFactor)]);
  }
  return [
    ["general.architecture", { type: "string", value: "qwen2moe" }],
    ...keys.map(([key, value]): [string, GgufValue] => [`qwen2moe.${key}`, value]),
  ];
}

function shapesOf(model: RandomModel, vocabulary: number): [string, ...number[]][] {
  const { width, inner, sharedInner, experts } = model;
  const keyLength = (width / model.heads) * model.kvHeads;
  const ofLayer = (layer: number): [string, ...number[]][] =>
    (
      [
        ["attn_norm.weight", width],
        ["ffn_norm.weight", width],
        ["attn_q.weight", width, width],
        ["attn_q.bias", width],
        ["attn_k.weight", width, keyLength],
        ["attn_k.bias", keyLength],
        ["attn_v.weight", width, keyLength],
        ["attn_v.bias", keyLength],
        ["attn_output.weight", width, width],
        ["ffn_gate_inp.weight", width, experts],
        ["ffn_gate_exps.weight", width, inner, experts],
        ["ffn_up_exps.weight", width, inner, experts],
        ["ffn_down_exps.weight", inner, width, experts],
        ["ffn_gate_inp_shexp.weight", width],
        ["ffn_gate_shexp.weight", width, sharedInner],
        ["ffn_up_shexp.weight", width, sharedInner],
        ["ffn_down_shexp.weight", sharedInner, width],
      ] as [string, ...number[]][]
    ).map(([name, ...shape]) => [`blk.${layer}.${name}`, ...shape]);
  return [
    ["token_embd.weight", width, vocabulary],
    ["output_norm.weight", width],
    ["output.weight", width, vocabulary],
    ...Array.from({ length: model.layers }, (_, layer) => ofLayer(layer)).flat(),
  ];
}

function weights(model: RandomModel, name: string, shape: readonly number[], prng: Prng) {
  const columns = shape[0] ?? 1;
  const isNorm = name.includes("norm");
  // Keeps the size of activations: products of `columns` terms of size 1 / sqrt(columns).
  const deviation = isNorm ? 0.1 : 1 / Math.sqrt(columns);
  const count = shape.reduce((product, size) => product * size, 1);
  const values = Float32Array.from({ length: count }, () =>
    isNorm ? 1 + deviation * (prng.nextFloat() - 0.5) : prng.normal(0, deviation),
  );
  const short = name.replace(/^blk\.\d+\./, "").replace(/\.weight$/, "");
  const isVector = shape.length === 1 || name.includes("gate_inp");
  const type = TENSOR_TYPE[isVector ? "F32" : (model.types[short] ?? "Q8_0")];
  return { type, bytes: quantise(GgmlLibrary.load(), type, values, columns) };
}
