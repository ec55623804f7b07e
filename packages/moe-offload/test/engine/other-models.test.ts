import type { TensorTypeName } from "@fmlab/ggml";
import { describe, expect, it } from "vitest";
import { SUPPORTED_WEIGHT_TYPES } from "../../src/model/weight-types.ts";
import type { RandomModel } from "./random-model.ts";
import { expectSameAsLlama } from "./same-as-llama.ts";

/** Rows of gate and up hold whole blocks of every type; those of down do not always. */
const PLAIN = {
  seed: 1,
  layers: 3,
  width: 256,
  heads: 4,
  kvHeads: 2,
  experts: 4,
  used: 2,
  inner: 256,
  context: 32,
  ropeBase: 10_000,
  epsilon: 1e-6,
} as const;

/** Types of gate, up and down by layer, and of other matrices by the end of their names. */
type Mix = readonly (readonly [TensorTypeName, TensorTypeName, TensorTypeName])[];
function typesOf(mix: Mix, others: Partial<Record<string, TensorTypeName>> = {}) {
  const types: Partial<Record<string, TensorTypeName>> = { ...others };
  mix.forEach(([gate, up, down], layer) => {
    types[`${layer}.ffn_gate_exps`] = gate;
    types[`${layer}.ffn_up_exps`] = up;
    types[`${layer}.ffn_down_exps`] = down;
  });
  return types;
}

const MODELS: readonly [string, RandomModel][] = [
  [
    "llama in Q4_K_M: some layers' downs in 6 bits",
    {
      ...PLAIN,
      architecture: "llama",
      types: typesOf(
        [
          ["Q4_K", "Q4_K", "Q6_K"],
          ["Q4_K", "Q4_K", "Q4_K"],
          ["Q4_K", "Q4_K", "Q6_K"],
        ],
        { token_embd: "Q4_K", attn_q: "Q4_K", attn_k: "Q4_K", attn_v: "Q6_K" },
      ),
    },
  ],
  [
    "deepseek whose experts' inner rows are no whole blocks of K-quants",
    {
      ...PLAIN,
      architecture: "deepseek",
      inner: 160,
      denseLead: 1,
      layers: 4,
      denseInner: 96,
      sharedCount: 1,
      types: typesOf(
        [
          ["F32", "F32", "F32"],
          ["F16", "BF16", "F32"],
          ["Q8_0", "Q4_0", "Q4_1"],
          ["Q5_0", "Q5_K", "Q5_1"],
        ],
        { token_embd: "F16", attn_q: "BF16", attn_output: "Q5_K", ffn_up_shexp: "F32" },
      ),
    },
  ],
  [
    "qwen3moe in 2 to 4 bits",
    {
      ...PLAIN,
      architecture: "qwen3moe",
      types: typesOf(
        [
          ["Q2_K", "Q2_K", "Q3_K"],
          ["IQ4_NL", "IQ4_XS", "Q2_K"],
          ["IQ2_XXS", "IQ2_XS", "IQ2_S"],
        ],
        { token_embd: "Q2_K", attn_k: "Q3_K", attn_output: "IQ4_XS", attn_q: "IQ4_NL" },
      ),
    },
  ],
  [
    "granitemoe in 1 to 4 bits",
    {
      ...PLAIN,
      architecture: "granitemoe",
      sharedInner: 256,
      types: typesOf(
        [
          ["IQ3_XXS", "IQ3_S", "IQ1_S"],
          ["IQ1_M", "TQ1_0", "TQ2_0"],
          ["MXFP4", "MXFP4", "IQ3_S"],
        ],
        { token_embd: "IQ3_S", attn_v: "Q4_1", ffn_gate_shexp: "Q5_0", ffn_down_shexp: "MXFP4" },
      ),
    },
  ],
];

describe.each(MODELS)("%s", (_, model) => {
  it("gives llama.cpp's bits token by token, and its prompts within 1e-3", () => {
    expectSameAsLlama(model);
  });
});

it("these models have experts of every supported type", () => {
  const found = new Set(
    MODELS.flatMap(([, { types = {} }]) =>
      Object.entries(types).flatMap(([name, type]) => (name.endsWith("_exps") ? [type] : [])),
    ),
  );
  expect([...found].sort()).toEqual([...SUPPORTED_WEIGHT_TYPES].sort());
});
