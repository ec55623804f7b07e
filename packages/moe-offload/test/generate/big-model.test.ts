import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { dequantise, GgmlLibrary, openGguf, TENSOR_TYPE } from "@fmlab/ggml";
import { createPrng } from "@fmlab/sim";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { encodeRows, RandomBlocks } from "../../bench/big-model/blocks.ts";
import { type BigModelShape, DIALS } from "../../bench/big-model/design.ts";
import { layoutOf, openAllResident } from "../../bench/big-model/open-models.ts";
import { Language } from "../../bench/big-model/text.ts";
import { obtainModel, removeModel } from "../../bench/big-model/write-model.ts";
import { LlamaCpp } from "../engine/llama-cpp.ts";

const SHAPE: BigModelShape = {
  layers: 2,
  width: 256,
  heads: 4,
  experts: 8,
  used: 2,
  inner: 64,
  sharedInner: 128,
  vocabulary: 512,
  context: 64,
  weightType: TENSOR_TYPE.Q4_0,
};
const RECIPE = { shape: SHAPE, dials: DIALS, seed: 3 };

describe("a generated model", () => {
  let folder = "";
  beforeEach(() => {
    folder = mkdtempSync(path.join(os.tmpdir(), "fmlab-generate-"));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it("is written once, byte for byte the same from the same recipe", () => {
    const first = obtainModel(folder, RECIPE);
    const bytes = readFileSync(first.path);
    expect(first.isNew).toBe(true);
    expect(bytes.length % 4096).toBe(0);
    expect(obtainModel(folder, RECIPE)).toEqual({ path: first.path, isNew: false });
    removeModel(folder, RECIPE);
    expect(() => statSync(first.path)).toThrow("ENOENT");
    expect(readFileSync(obtainModel(folder, RECIPE).path).equals(bytes)).toBe(true);
  });

  it("has another name and other weights for another seed or other dials", () => {
    const others = [
      { ...RECIPE, seed: 4 },
      { ...RECIPE, dials: { ...DIALS, topic: 0.5 } },
    ];
    const paths = [RECIPE, ...others].map((recipe) => obtainModel(folder, recipe).path);
    expect(new Set(paths).size).toBe(3);
    const [first, ...rest] = paths.map((one) => readFileSync(one));
    for (const bytes of rest) expect(first?.equals(bytes)).toBe(false);
  });

  it("gives the same finite logits in this engine and in llama.cpp", () => {
    const { path: file } = obtainModel(folder, RECIPE);
    const gguf = openGguf(file);
    const model = openAllResident(gguf, layoutOf(gguf), { threads: 1, contextLength: 64 });
    const llama = new LlamaCpp(file, SHAPE.vocabulary, {
      threads: 1,
      contextLength: 64,
      repack: false,
    });
    const text = new Language(DIALS, SHAPE.vocabulary).write(createPrng(1, "text"), 16);
    for (const token of text) {
      const own = model.engine.decode(token);
      expect(own.every(Number.isFinite)).toBe(true);
      expect(new Set(own).size).toBeGreaterThan(SHAPE.vocabulary / 2);
      expect(Buffer.from(own.slice().buffer)).toEqual(
        Buffer.from(llama.evaluateOne(token).slice().buffer),
      );
    }
    llama.close();
    model.close();
    gguf.close();
  });
});

describe("random blocks", () => {
  it("are weights of mean zero and of the deviation asked for", () => {
    const bytes = new Uint8Array(18 * 4096);
    for (const deviation of [0.005, 0.02, 1]) {
      new RandomBlocks(createPrng(1, "blocks")).fill(bytes, deviation);
      const values = dequantise(GgmlLibrary.load(), TENSOR_TYPE.Q4_0, bytes);
      const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
      const variance = values.reduce((sum, value) => sum + value ** 2, 0) / values.length;
      expect(Math.abs(mean)).toBeLessThan(0.02 * deviation);
      expect(Math.sqrt(variance) / deviation).toBeCloseTo(1, 1);
    }
  });

  it("stand beside exact rows of a type", () => {
    const rows = Float32Array.from({ length: 64 }, (_, i) => Math.sin(i));
    const back = dequantise(
      GgmlLibrary.load(),
      TENSOR_TYPE.Q8_0,
      encodeRows(rows, 32, TENSOR_TYPE.Q8_0),
    );
    for (const [i, value] of back.entries()) expect(value).toBeCloseTo(rows[i] ?? 0, 2);
  });
});

describe("a made-up language", () => {
  const language = new Language(DIALS, 4096);

  it("uses words as often as it says that it does", () => {
    const tokens = 200_000;
    const counts = new Float64Array(4096);
    for (const token of language.write(createPrng(2, "long"), tokens)) {
      counts[token] = (counts[token] ?? 0) + 1 / tokens;
    }
    let total = 0;
    for (let token = 0; token < 4096; token++) total += language.shareOf(token);
    expect(total).toBeCloseTo(1, 9);
    for (const token of [0, 1, 10, 127]) {
      const share = language.shareOf(token);
      // Four standard errors of a count.
      const doubt = 4 * Math.sqrt(share / tokens);
      expect(Math.abs((counts[token] ?? 0) - share)).toBeLessThan(doubt);
    }
  });

  it("stays with a topic for a while", () => {
    const text = language.write(createPrng(3, "topics"), 50_000);
    const topics = [...text].map((token) => language.groupOf(token)).filter((group) => group > 0);
    const kept = topics.filter((topic, i) => i > 0 && topic === topics[i - 1]).length;
    // Topic words are 1 / (1 - commonWordShare) tokens apart on average.
    const apart = 1 / (1 - DIALS.commonWordShare);
    expect(kept / topics.length).toBeGreaterThan(DIALS.stay ** (1.5 * apart));
    expect(kept / topics.length).toBeLessThan(1);
  });
});
