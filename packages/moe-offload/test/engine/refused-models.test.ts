import { encodeGguf, type GgufInput, type GgufValue } from "@fmlab/ggml";
import { describe, expect, it } from "vitest";
import { MoeError } from "../../src/errors.ts";
import { withFile } from "./every-way.ts";
import { openMachine } from "./graph-machine.ts";
import { float, type RandomModel, randomModel } from "./random-model.ts";

const SMALL = {
  seed: 1,
  layers: 2,
  width: 32,
  heads: 2,
  kvHeads: 2,
  experts: 2,
  used: 1,
  inner: 32,
  context: 8,
  ropeBase: 1e4,
  epsilon: 1e-6,
} as const;
const QWEN2: RandomModel = { ...SMALL, architecture: "qwen2moe", sharedInner: 32 };
const LLAMA: RandomModel = { ...SMALL, architecture: "llama" };
const GRANITE: RandomModel = { ...SMALL, architecture: "granitemoe" };
const DEEPSEEK: RandomModel = { ...SMALL, architecture: "deepseek", sharedCount: 1 };

function opening(input: GgufInput): () => void {
  return () => withFile(encodeGguf(input), (modelPath) => openMachine(modelPath).close());
}
const number = (value: number): GgufValue => ({ type: "uint32", value });
const text = (value: string): GgufValue => ({ type: "string", value });
const without = (input: GgufInput, name: string): GgufInput => ({
  ...input,
  tensors: input.tensors.filter((tensor) => tensor.name !== name),
});
const renamed = (input: GgufInput, from: string, to: string): GgufInput => ({
  ...input,
  tensors: input.tensors.map((tensor) => (tensor.name === from ? { ...tensor, name: to } : tensor)),
});

describe("a model", () => {
  it("as it should be is opened", () => {
    for (const model of [QWEN2, LLAMA, GRANITE, DEEPSEEK]) {
      expect(opening(randomModel(model))).not.toThrow();
    }
  });

  it.each<[string, RandomModel, RegExp]>([
    [
      "whose positions are scaled in another way",
      { ...LLAMA, keys: { "rope.scaling.type": text("longrope") } },
      /positions scaled by "longrope"; this version computes "none", "linear" and "yarn"/,
    ],
    [
      "with an odd number of turned elements",
      { ...LLAMA, keys: { "rope.dimension_count": number(3) } },
      /rope.dimension_count 3 is odd/,
    ],
    [
      "that turns more than its heads have",
      { ...LLAMA, keys: { "rope.dimension_count": number(18) } },
      /from 2 to 16/,
    ],
    [
      "without a scale its architecture has",
      { ...GRANITE, keys: { logit_scale: text("6") } },
      /logit_scale.*expected a finite number/,
    ],
    [
      "whose logits are divided by nothing",
      { ...GRANITE, keys: { logit_scale: float(0) } },
      /logit_scale.*expected a finite number from/,
    ],
    [
      "with a scale that is not finite",
      { ...GRANITE, keys: { residual_scale: float(Number.POSITIVE_INFINITY) } },
      /residual_scale.*expected a finite number/,
    ],
    [
      "of dense layers alone",
      { ...DEEPSEEK, keys: { leading_dense_block_count: number(2) } },
      /leading_dense_block_count.*from 0 to 1/,
    ],
    [
      "with a shared expert of no width",
      { ...DEEPSEEK, keys: { expert_shared_count: number(0) } },
      /expert_shared_count.*from 1 to/,
    ],
    [
      "whose shared expert has another width than it says",
      { ...QWEN2, keys: { expert_shared_feed_forward_length: number(64) } },
      /ffn_gate_shexp.weight has shape \[32,32\], expected \[32,64\]/,
    ],
    ["with frequency factors it has no use for", { ...QWEN2, ropeFactors: true }, /rope_freqs/],
    ["with a shared expert it has no use for", { ...LLAMA, sharedInner: 32 }, /ffn_gate_shexp/],
  ])("%s is refused", (_, model, message) => {
    expect(opening(randomModel(model))).toThrow(message);
  });

  it.each<[string, GgufInput, RegExp]>([
    [
      "without the output its architecture needs",
      without(randomModel(QWEN2), "output.weight"),
      /no tensor "output.weight"/,
    ],
    [
      "with biases in one layer only",
      without(randomModel(QWEN2), "blk.1.attn_k.bias"),
      /no tensor "blk.1.attn_k.bias"/,
    ],
    [
      "without biases in the first layer only",
      ["q", "k", "v"].reduce(
        (input, name) => without(input, `blk.0.attn_${name}.bias`),
        randomModel(QWEN2),
      ),
      /tensors without a place in its architecture: blk.1.attn_q.bias, .*attn_v.bias; this/,
    ],
    [
      "with a tensor nobody knows",
      renamed(randomModel(LLAMA), "blk.1.attn_norm.weight", "blk.1.attn_sinks.weight"),
      /no tensor "blk.1.attn_norm.weight"/,
    ],
    [
      "with a tensor beside all it needs",
      {
        ...randomModel(LLAMA),
        tensors: [
          ...randomModel(LLAMA).tensors,
          { name: "blk.0.attn_sinks.weight", type: 0, shape: [2], bytes: new Uint8Array(8) },
        ],
      },
      /tensors without a place in its architecture: blk.0.attn_sinks.weight/,
    ],
  ])("%s is refused", (_, input, message) => {
    expect(opening(input)).toThrow(message);
  });

  it("with a weight of a type that cannot be multiplied with is refused with the list", () => {
    const input = randomModel({ ...LLAMA, tied: true });
    const tensors = input.tensors.map((tensor) => {
      if (tensor.name !== "token_embd.weight") return tensor;
      const elements = tensor.shape.reduce((product, size) => product * size, 1);
      return { ...tensor, type: 26, bytes: new Uint8Array(elements * 4) };
    });
    const open = opening({ ...input, tensors });
    expect(open).toThrow(MoeError);
    expect(open).toThrow(/token_embd.weight is i32; this version computes with F32, F16, /);
  });
});
