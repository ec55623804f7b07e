import type { GgufValue } from "@fmlab/ggml";
import { describe, it } from "vitest";
import { float, type RandomModel } from "./random-model.ts";
import { expectSameAsLlama } from "./same-as-llama.ts";

/**
 * Sizes that are no powers of two, more heads of queries than of keys. What llama.cpp computes with
 * a matrix of outputs in F32 shows every last bit of the layers before it.
 */
const PLAIN = {
  seed: 1,
  layers: 2,
  width: 192,
  heads: 6,
  kvHeads: 2,
  experts: 10,
  used: 3,
  inner: 96,
  context: 64,
  ropeBase: 50_000,
  epsilon: 1e-5,
} as const;
const QWEN2 = { ...PLAIN, architecture: "qwen2moe", sharedInner: 160 } as const;
const QWEN3 = { ...PLAIN, architecture: "qwen3moe", headLength: 48 } as const;
const OLMOE = { ...PLAIN, architecture: "olmoe", kvHeads: 6 } as const;
const LLAMA = { ...PLAIN, architecture: "llama" } as const;
const DEEPSEEK = {
  ...PLAIN,
  architecture: "deepseek",
  layers: 3,
  denseLead: 1,
  denseInner: 224,
  sharedCount: 2,
} as const;
const GRANITE = { ...PLAIN, architecture: "granitemoe", tied: true } as const;

const text = (value: string): GgufValue => ({ type: "string", value });
const scaling = (type: string, factor: number, others: Record<string, GgufValue> = {}) => ({
  "rope.scaling.type": text(type),
  "rope.scaling.factor": float(factor),
  ...others,
});
const trained = (value: number) => ({
  "rope.scaling.original_context_length": { type: "uint32", value } as const,
});

const MODELS: readonly [string, RandomModel][] = [
  ["qwen2moe", QWEN2],
  ["qwen2moe without biases", { ...QWEN2, seed: 2, biases: false }],
  ["qwen2moe with one expert per token", { ...QWEN2, experts: 5, used: 1, layers: 3 }],
  ["qwen2moe with every expert for every token", { ...QWEN2, experts: 4, used: 4, layers: 1 }],
  [
    "qwen2moe with one key-value head and positions in linear scale",
    { ...QWEN2, kvHeads: 1, keys: scaling("linear", 4) },
  ],
  ["qwen3moe with heads longer than width / heads", QWEN3],
  ["qwen3moe with tied output", { ...QWEN3, seed: 3, headLength: undefined, tied: true }],
  [
    "qwen2moe with routers that cannot be stacked",
    { ...QWEN2, seed: 8, layers: 3, types: { "1.ffn_gate_inp": "F16", "2.ffn_gate_inp": "Q8_0" } },
  ],
  ["qwen3moe with YaRN", { ...QWEN3, keys: scaling("yarn", 4, trained(16)) }],
  ["olmoe", OLMOE],
  ["olmoe with one expert per token", { ...OLMOE, seed: 4, used: 1 }],
  ["llama", LLAMA],
  [
    "llama with all biases, frequency factors and tied output",
    { ...LLAMA, seed: 5, biases: true, outputBias: true, ropeFactors: true, tied: true },
  ],
  ["llama with a scale of positions that is switched off", { ...LLAMA, keys: scaling("none", 4) }],
  [
    "llama with short heads, and values of another type than keys",
    { ...LLAMA, headLength: 24, types: { attn_v: "F16", attn_output: "F16" } },
  ],
  ["deepseek with a dense layer first", DEEPSEEK],
  [
    "deepseek with two dense layers, one shared expert and all experts used",
    { ...DEEPSEEK, seed: 6, layers: 4, denseLead: 2, sharedCount: 1, experts: 5, used: 5 },
  ],
  [
    "deepseek without dense layers, YaRN with a factor of attention",
    {
      ...DEEPSEEK,
      denseLead: 0,
      layers: 2,
      keys: scaling("yarn", 8, { ...trained(32), "rope.scaling.attn_factor": float(0.9) }),
    },
  ],
  ["granitemoe", GRANITE],
  [
    "granitemoe with a shared expert and biases",
    {
      ...GRANITE,
      seed: 7,
      tied: false,
      sharedInner: 112,
      biases: true,
      types: { ffn_down_shexp: "BF16" },
    },
  ],
  [
    "granitemoe without rotation, one expert per token",
    { ...GRANITE, used: 1, keys: { "rope.scaling.finetuned": { type: "bool", value: false } } },
  ],
  [
    "granitemoe with scales that are switched off",
    {
      ...GRANITE,
      keys: { residual_scale: float(0), embedding_scale: float(0), "attention.scale": float(0) },
    },
  ],
];

describe.each(MODELS)("%s", (_, model) => {
  it("gives llama.cpp's bits token by token, and its prompts within 1e-3", () => {
    expectSameAsLlama(model);
  });
});
