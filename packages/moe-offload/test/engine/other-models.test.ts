import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { openGguf } from "@fmlab/ggml";
import { describe, expect, it } from "vitest";
import { MoeEngine } from "../../src/engine/engine.ts";
import { SHIPPED_MODEL } from "../shipped-model.ts";
import { LlamaCpp } from "./llama-cpp.ts";
import { differenceMax, haveSameBits } from "./open.ts";
import { type RandomModel, randomModelFile } from "./random-model.ts";
import { lruSource, residentSource } from "./sources.ts";

const PLAIN: RandomModel = {
  seed: 1,
  layers: 2,
  width: 192,
  heads: 6,
  kvHeads: 2,
  experts: 10,
  used: 3,
  inner: 96,
  sharedInner: 160,
  context: 96,
  ropeBase: 50_000,
  ropeFactor: 1,
  epsilon: 1e-5,
  types: {},
};

const MODELS: readonly [string, RandomModel][] = [
  ["grouped queries and odd sizes", PLAIN],
  ["one expert per token", { ...PLAIN, seed: 2, experts: 5, used: 1, layers: 3 }],
  ["every expert for every token", { ...PLAIN, seed: 3, experts: 4, used: 4, layers: 1 }],
  ["one key-value head and scaled positions", { ...PLAIN, seed: 4, kvHeads: 1, ropeFactor: 4 }],
  [
    "values of another type than queries, up of another type than gate",
    {
      ...PLAIN,
      seed: 5,
      types: { attn_v: "F16", ffn_up_exps: "F16", ffn_up_shexp: "Q5_0", output: "F16" },
    },
  ],
  [
    "experts in 5 bits",
    { ...PLAIN, seed: 6, types: { ffn_gate_exps: "Q5_1", ffn_up_exps: "Q5_1" } },
  ],
];

describe.each(MODELS)("a model with %s", (_, model) => {
  it("gives llama.cpp's bits token by token, and its prompts within 1e-3", () => {
    const folder = mkdtempSync(path.join(os.tmpdir(), "random-model-"));
    const shipped = openGguf(SHIPPED_MODEL);
    const modelPath = path.join(folder, "model.gguf");
    writeFileSync(modelPath, randomModelFile(model, shipped));
    shipped.close();
    const file = openGguf(modelPath);
    const slotCount = model.layers * model.experts;
    const resident = MoeEngine.open(
      file,
      { slotCount, threads: 1 },
      residentSource(file, model.layers, model.experts),
    );
    const few = MoeEngine.open(
      file,
      { slotCount: Math.min(slotCount, model.used + 1), threads: 1 },
      lruSource(file, { hits: 0, misses: 0 }),
    );
    const llama = new LlamaCpp(modelPath, resident.vocabularySize, {
      threads: 1,
      contextLength: model.context,
    });
    // Noise, but numbers that differ: equal bits of nothing would prove nothing.
    const first = llama.evaluateOne(3);
    expect(first.every(Number.isFinite)).toBe(true);
    expect(new Set(first).size).toBeGreaterThan(1000);
    llama.reset();
    const tokens = Array.from({ length: model.context }, (_, i) => (i * 2617 + 11) % 8192);
    const different = tokens.filter((token) => {
      const expected = llama.evaluateOne(token);
      const isSame = haveSameBits(resident.decode(token), expected);
      return !isSame || !haveSameBits(few.decode(token), expected);
    });
    expect(different).toEqual([]);

    resident.reset();
    llama.reset();
    const ours = resident.prefill(tokens.slice(0, 50));
    expect(differenceMax(ours, llama.evaluate(tokens.slice(0, 50)))).toBeLessThanOrEqual(1e-3);
    for (const resource of [llama, few, resident, file]) resource.close();
    rmSync(folder, { recursive: true });
  });
});
