import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { encodeGguf, encodeSplitGguf, splitPath } from "@fmlab/ggml";
import { describe, expect, it } from "vitest";
import {
  decodePrompt,
  decodeScattered,
  decodeWhole,
  differentRows,
  tokensOf,
  withFile,
} from "./every-way.ts";
import { openMachine } from "./graph-machine.ts";
import { float, type RandomModel, randomModel } from "./random-model.ts";

const PLAIN = {
  seed: 9,
  layers: 2,
  width: 128,
  heads: 4,
  kvHeads: 2,
  experts: 6,
  used: 3,
  inner: 96,
  context: 24,
  ropeBase: 10_000,
  epsilon: 1e-6,
} as const;
const QWEN2: RandomModel = { ...PLAIN, architecture: "qwen2moe", sharedInner: 64 };
const DEEPSEEK: RandomModel = {
  ...PLAIN,
  architecture: "deepseek",
  denseLead: 1,
  denseInner: 96,
  sharedCount: 2,
};

/** Logits of all tokens, computed in each way there is. */
function everyWay(modelPath: string, model: RandomModel): Float32Array[] {
  const tokens = tokensOf(model);
  return [
    ...decodeWhole(modelPath, tokens),
    ...decodeScattered(modelPath, model),
    decodePrompt(modelPath, tokens),
  ];
}
const resultsOf = (model: RandomModel) =>
  withFile(encodeGguf(randomModel(model)), (modelPath) => everyWay(modelPath, model));

// What llama.cpp b7347 does not know, against what it does: the same weights otherwise arranged.
describe("the same bits come of the same weights", () => {
  it.each<[string, RandomModel]>([
    ["of one type", { ...PLAIN, architecture: "qwen3moe", headLength: 64 }],
    [
      "of a type of their own in each layer",
      {
        ...PLAIN,
        architecture: "olmoe",
        kvHeads: 4,
        types: { "1.ffn_gate_exps": "Q4_0", "1.ffn_up_exps": "Q4_0" },
      },
    ],
  ])("with gate and up fused in one tensor, %s", (_, model) => {
    const expected = resultsOf(model);
    expect(differentRows(resultsOf({ ...model, fusedGateUp: true }), expected)).toEqual([]);
  });

  it("with queries, keys and values fused in one tensor, and their biases", () => {
    const expected = resultsOf(QWEN2);
    expect(differentRows(resultsOf({ ...QWEN2, fusedQkv: true }), expected)).toEqual([]);
  });

  it("with weights of experts scaled by 4, or their outputs' matrices by 4", () => {
    const plain = { ...DEEPSEEK, types: { ffn_down_exps: "F32" } } as const;
    const scaled = { ...plain, keys: { expert_weights_scale: float(4) } };
    const larger = resultsOf({ ...plain, factors: { ffn_down_exps: 4 } });
    expect(differentRows(resultsOf(scaled), larger)).toEqual([]);
    expect(differentRows(resultsOf(plain), larger).length).toBe(larger.length);
  });

  it("in one file or in several", () => {
    for (const model of [QWEN2, { ...DEEPSEEK, fusedGateUp: true }]) {
      const input = randomModel(model);
      const folder = mkdtempSync(path.join(os.tmpdir(), "fmlab-parts-"));
      const count = 5;
      encodeSplitGguf(input, count).forEach((bytes, part) => {
        writeFileSync(splitPath(path.join(folder, "model"), part, count), bytes);
      });
      const modelPath = splitPath(path.join(folder, "model"), 2, count);
      expect(differentRows(everyWay(modelPath, model), resultsOf(model))).toEqual([]);
      const { layout, close } = openMachine(modelPath);
      expect(new Set(layout.moeLayers.map((l) => layout.range(l, 0, "down").path)).size).toBe(
        layout.moeLayers.length,
      );
      close();
      rmSync(folder, { recursive: true });
    }
  });
});
