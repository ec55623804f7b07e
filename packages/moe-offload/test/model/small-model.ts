import { encodeGguf, type GgufTensorInput, type GgufValue } from "@fmlab/ggml";
import { createPrng } from "@fmlab/sim";
import { BYTE_TOKENS, byteTokenizer } from "./byte-tokenizer.ts";

const WIDTH = 64;
const INNER = 32;
const EXPERTS = 4;
const LAYERS = 2;

/** A complete qwen2moe model of 0.2 MB with random weights and a byte vocabulary. */
export function smallModel(): Uint8Array {
  const random = createPrng(1, "weights");
  const tensors: GgufTensorInput[] = [];
  const add = (name: string, ...shape: number[]) => {
    const count = shape.reduce((product, n) => product * n, 1);
    const isNorm = name.includes("norm");
    const values = Float32Array.from({ length: count }, () => (isNorm ? 1 : random.normal(0, 0.2)));
    tensors.push({ name, type: 0, shape, bytes: new Uint8Array(values.buffer) });
  };
  add("token_embd.weight", WIDTH, BYTE_TOKENS.length);
  add("output_norm.weight", WIDTH);
  add("output.weight", WIDTH, BYTE_TOKENS.length);
  for (let layer = 0; layer < LAYERS; layer++) {
    const block = (name: string, ...shape: number[]) => add(`blk.${layer}.${name}`, ...shape);
    block("attn_norm.weight", WIDTH);
    block("ffn_norm.weight", WIDTH);
    for (const matrix of ["q", "k", "v"]) {
      block(`attn_${matrix}.weight`, WIDTH, WIDTH);
      block(`attn_${matrix}.bias`, WIDTH);
    }
    block("attn_output.weight", WIDTH, WIDTH);
    block("ffn_gate_inp.weight", WIDTH, EXPERTS);
    block("ffn_gate_exps.weight", WIDTH, INNER, EXPERTS);
    block("ffn_up_exps.weight", WIDTH, INNER, EXPERTS);
    block("ffn_down_exps.weight", INNER, WIDTH, EXPERTS);
    block("ffn_gate_inp_shexp.weight", WIDTH);
    block("ffn_gate_shexp.weight", WIDTH, INNER);
    block("ffn_up_shexp.weight", WIDTH, INNER);
    block("ffn_down_shexp.weight", INNER, WIDTH);
  }
  return encodeGguf({ metadata: metadata(), tensors });
}

function metadata(): [string, GgufValue][] {
  const number = (value: number): GgufValue => ({ type: "uint32", value });
  const text = (value: string): GgufValue => ({ type: "string", value });
  return [
    ["general.architecture", text("qwen2moe")],
    ["qwen2moe.block_count", number(LAYERS)],
    ["qwen2moe.context_length", number(64)],
    ["qwen2moe.embedding_length", number(WIDTH)],
    ["qwen2moe.feed_forward_length", number(INNER)],
    ["qwen2moe.expert_count", number(EXPERTS)],
    ["qwen2moe.expert_used_count", number(2)],
    ["qwen2moe.expert_feed_forward_length", number(INNER)],
    ["qwen2moe.expert_shared_feed_forward_length", number(INNER)],
    ["qwen2moe.attention.head_count", number(2)],
    ["qwen2moe.attention.head_count_kv", number(2)],
    ["qwen2moe.rope.freq_base", { type: "float32", value: 10_000 }],
    ["qwen2moe.attention.layer_norm_rms_epsilon", { type: "float32", value: 1e-6 }],
    ...byteTokenizer(),
  ];
}
