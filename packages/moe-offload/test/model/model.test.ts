import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { encodeGguf, type GgufValue, openGguf } from "@fmlab/ggml";
import { afterAll, describe, expect, it } from "vitest";
import { describeModel } from "../../src/model/description.ts";
import { expertLayout } from "../../src/model/expert-layout.ts";
import { SHIPPED_MODEL } from "../shipped-model.ts";

const folder = mkdtempSync(join(tmpdir(), "fmlab-model-"));
afterAll(() => rmSync(folder, { recursive: true }));
const number = (value: number): GgufValue => ({ type: "uint32", value });

const numbers = (...values: number[]): GgufValue => ({
  type: "array",
  elementType: "uint32",
  value: Uint32Array.from(values),
});

const SMALL: Record<string, GgufValue> = {
  "general.architecture": { type: "string", value: "qwen2moe" },
  "qwen2moe.block_count": number(1),
  "qwen2moe.context_length": number(16),
  "qwen2moe.embedding_length": number(32),
  "qwen2moe.feed_forward_length": number(32),
  "qwen2moe.expert_count": number(2),
  "qwen2moe.expert_used_count": number(1),
  "qwen2moe.expert_feed_forward_length": number(64),
  "qwen2moe.attention.head_count": number(2),
  "qwen2moe.attention.layer_norm_rms_epsilon": { type: "float32", value: 1e-6 },
};
const tensor = (name: string, shape: number[], type = 0) => ({
  name,
  type,
  shape,
  bytes: new Uint8Array(shape.reduce((a, b) => a * b, 1) * (type === 0 ? 4 : 2)),
});
const TENSORS = [
  tensor("token_embd.weight", [32, 8]),
  tensor("blk.0.ffn_gate_exps.weight", [32, 64, 2]),
  tensor("blk.0.ffn_up_exps.weight", [32, 64, 2]),
  tensor("blk.0.ffn_down_exps.weight", [64, 32, 2]),
];

function opened(changes: Record<string, GgufValue | undefined>, tensors = TENSORS) {
  const path = join(folder, "model.gguf");
  const entries = Object.entries({ ...SMALL, ...changes }).filter(
    (entry): entry is [string, GgufValue] => entry[1] !== undefined,
  );
  writeFileSync(path, encodeGguf({ metadata: entries, tensors }));
  const file = openGguf(path);
  file.close();
  return file;
}
const read = (changes: Record<string, GgufValue | undefined>, tensors = TENSORS) => {
  const file = opened(changes, tensors);
  return expertLayout(file, describeModel(file));
};

describe("a model's description", () => {
  it("is the shipped model card's", () => {
    const file = openGguf(SHIPPED_MODEL);
    expect(describeModel(file)).toEqual({
      architecture: "qwen2moe",
      name: "tiny-story-moe",
      layerCount: 8,
      moeLayers: [0, 1, 2, 3, 4, 5, 6, 7],
      contextLength: 512,
      embeddingLength: 256,
      headCount: 4,
      headCountKv: 4,
      headLength: 64,
      vocabularySize: 8192,
      expertCount: 32,
      expertUsedCount: 4,
      expertFeedForwardLength: 128,
      sharedFeedForwardLength: 256,
      denseFeedForwardLength: 0,
      ropeFrequencyBase: 10_000,
      rmsEpsilon: Math.fround(1e-6),
    });
    file.close();
  });

  it("of a small well-formed model is read with its defaults", () => {
    expect(describeModel(opened({}))).toMatchObject({ headCountKv: 2, ropeFrequencyBase: 10_000 });
    expect(read({}).expertBytes).toBe(3 * 32 * 64 * 4);
  });

  it("takes numbers that are the same for all layers one by one", () => {
    const keys = ["block_count", "embedding_length", "attention.head_count", "feed_forward_length"];
    const changes = Object.fromEntries(
      keys.map((key) => {
        const value = SMALL[`qwen2moe.${key}`];
        if (value?.type !== "uint32") throw new Error(`${key} is a number`);
        return [`qwen2moe.${key}`, numbers(value.value, value.value)];
      }),
    );
    expect(describeModel(opened(changes))).toEqual(describeModel(opened({})));
  });

  it.each<[string, Record<string, GgufValue | undefined>, RegExp]>([
    [
      "another architecture",
      { "general.architecture": { type: "string", value: "gpt-oss" } },
      /"gpt-oss"; .* qwen2moe, qwen3moe, olmoe, llama, deepseek, granitemoe\. Choose/,
    ],
    [
      "a model without experts",
      { "qwen2moe.expert_count": undefined },
      /"qwen2moe without experts"; this version computes the Mixture-of-Experts models/,
    ],
    ["no experts", { "qwen2moe.expert_count": number(0) }, /without experts/],
    [
      "another router",
      { "qwen2moe.expert_gating_func": number(2) },
      /a router of kind 2; .*softmax/,
    ],
    ["groups of experts", { "qwen2moe.expert_group_count": number(2) }, /experts in groups/],
    [
      "values shorter than keys",
      { "qwen2moe.attention.key_length": number(48) },
      /keys of 48 and values of 16 elements a head/,
    ],
    [
      "layers with different heads",
      { "qwen2moe.attention.head_count": numbers(2, 4) },
      /layers of different qwen2moe.attention.head_count/,
    ],
    [
      "heads told as no numbers at all",
      { "qwen2moe.attention.head_count": numbers() },
      /from 1 to/,
    ],
    ["no architecture", { "general.architecture": undefined }, /lacks .* "general.architecture"/],
    ["no layers", { "qwen2moe.block_count": number(0) }, /from 1 to/],
    ["absurdly many layers", { "qwen2moe.block_count": number(2 ** 31) }, /from 1 to/],
    [
      "a layer count that is a text",
      { "qwen2moe.block_count": { type: "string", value: "1" } },
      /expected a whole number/,
    ],
    [
      "more experts used than there are",
      { "qwen2moe.expert_used_count": number(3) },
      /uses 3 experts a token but has 2/,
    ],
    ["more layers than tensors", { "qwen2moe.block_count": number(2) }, /no tensor "blk.1/],
    [
      "another expert count than its tensors",
      { "qwen2moe.expert_count": number(4) },
      /has shape \[32,64,2\], expected \[32,64,4\]/,
    ],
    [
      "heads that do not divide the width",
      { "qwen2moe.attention.head_count": number(3) },
      /no multiple of 3 heads/,
    ],
    [
      "key-value heads that do not divide the heads",
      { "qwen2moe.attention.head_count_kv": number(4) },
      /cannot share/,
    ],
    [
      "a NaN epsilon",
      { "qwen2moe.attention.layer_norm_rms_epsilon": { type: "float32", value: Number.NaN } },
      /expected a finite number/,
    ],
    [
      "another width than its embedding",
      { "qwen2moe.embedding_length": number(64) },
      /token_embd.weight has shape/,
    ],
  ])("refuses %s", (_, changes, message) => {
    expect(() => read(changes)).toThrow(message);
  });
});
