import { writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  dequantise,
  encodeGguf,
  GgmlLibrary,
  type GgufTensorInput,
  openGguf,
  TENSOR_TYPE,
} from "@fmlab/ggml";
import { createPrng } from "@fmlab/sim";
import { afterAll, describe, expect, it } from "vitest";
import { describeModel } from "../../src/model/description.ts";
import { expertLayout } from "../../src/model/expert-layout.ts";
import { type PrecisionRule, type RoutedBatch, UniformRule } from "../../src/precision/rules.ts";
import type { TierFile } from "../../src/precision/tiered-pool.ts";
import { openTwins } from "../../src/precision/twins.ts";
import { rowStatistics } from "../../src/quality/log-softmax.ts";
import { TextEvaluator } from "../../src/quality/text-evaluator.ts";
import { LlamaCpp } from "../engine/llama-cpp.ts";
import { differenceMax, haveSameBits } from "../engine/open.ts";
import { randomModel } from "../engine/random-model.ts";
import { openSmall, SMALL, temporaryFolder } from "../precision/small-moe.ts";
import { SHIPPED_MODEL } from "../shipped-model.ts";

const { path: folder, remove } = temporaryFolder();
afterAll(remove);

const small = openSmall(folder);
const q4 = openTwins({ ...small, kind: "q4_0", folder });
const q2 = openTwins({ ...small, kind: "q2_k", folder });
const open = (...tiers: [TierFile, ...TierFile[]]) =>
  new TextEvaluator(tiers, { threads: 1, contextLength: 64, batchTokens: 16 });
const evaluator = open(small, q4, q2);
afterAll(() => {
  evaluator.close();
  for (const { file } of [small, q4, q2]) file.close();
});

const random = createPrng(1, "text");
const TEXT = Int32Array.from({ length: 40 }, () => random.nextInt(evaluator.vocabularySize));
const { width, vocabularySize } = evaluator;

const evaluate = (rule: PrecisionRule, perToken: boolean) =>
  evaluator.evaluate(TEXT, rule, evaluator.newCounts(), perToken);
const row = (hidden: Float32Array, token: number) =>
  hidden.subarray(token * width, (token + 1) * width);

/** The model's file with its experts replaced by those of a file of twins. */
function withExpertsOf(twins: TierFile, name: string): string {
  const { metadata, tensors } = randomModel(SMALL);
  const replaced = tensors.map((tensor): GgufTensorInput => {
    const twin = twins.file.tensors.get(tensor.name);
    if (!twin) return tensor;
    const bytes = new Uint8Array(twin.sizeBytes);
    twins.file.read(twin.offset, bytes);
    return { ...tensor, type: twin.type, bytes };
  });
  const path = join(folder, `${name}.gguf`);
  writeFileSync(path, encodeGguf({ metadata, tensors: replaced }));
  return path;
}

describe("a text with experts in one precision", () => {
  it.each([
    ["its own", 0, () => small.path],
    ["q4_0", 1, () => withExpertsOf(q4, "small-q4")],
    ["q2_k", 2, () => withExpertsOf(q2, "small-q2")],
  ])("is computed token by token to llama.cpp's bits: %s", (_, tier, path) => {
    const llama = new LlamaCpp(path(), vocabularySize, {
      threads: 1,
      contextLength: 64,
      // Its repacked weights are multiplied in another order.
      repack: false,
    });
    const hidden = evaluate(new UniformRule(tier), true);
    const different: number[] = [];
    TEXT.forEach((token, at) => {
      const theirs = llama.evaluateOne(token);
      // A single row takes the way through the head that a single token takes.
      if (!haveSameBits(evaluator.logits(row(hidden, at)), theirs)) different.push(at);
    });
    expect(different).toEqual([]);
    llama.reset();
    // Batches have other bits; llama.cpp's are those of one batch, as here.
    const batched = new TextEvaluator([small, q4, q2], {
      threads: 1,
      contextLength: 64,
      batchTokens: 64,
    });
    const last = batched.evaluate(TEXT, new UniformRule(tier), batched.newCounts());
    const ours = batched.logits(row(last, TEXT.length - 1));
    expect(differenceMax(ours, llama.evaluate(TEXT))).toBeLessThan(1e-3);
    batched.close();
    llama.close();
  });

  it("differs by the precision, and not by how often it is computed", () => {
    const [full, again, low] = [0, 0, 2].map((tier) => evaluate(new UniformRule(tier), false));
    if (!full || !again || !low) throw new Error("three were evaluated");
    expect(haveSameBits(full, again)).toBe(true);
    expect(differenceMax(full, low)).toBeGreaterThan(0.01);
  });
});

/** Full precision but in the last layer, where `tierOf` decides. */
const inLastLayer = (tierOf: (position: number, use: number, expert: number) => number) => ({
  isPerToken: false,
  choose({ experts, layer, position }: RoutedBatch, tiers: Uint8Array) {
    for (let i = 0; i < tiers.length; i++) {
      const token = position + Math.floor(i / SMALL.used);
      tiers[i] = layer < 2 ? 0 : tierOf(token, i % SMALL.used, experts[i] ?? 0);
    }
  },
});

describe("a text with experts in mixed precision", () => {
  it.each([false, true])("has each token's own precision (token by token: %s)", (perToken) => {
    // No token sees what the last layer's experts gave another one.
    const uniform = [0, 1, 2].map((tier) =>
      evaluate(
        inLastLayer(() => tier),
        perToken,
      ),
    );
    const mixed = evaluate(
      inLastLayer((token) => token % 3),
      perToken,
    );
    TEXT.forEach((_, at) => {
      expect(haveSameBits(row(mixed, at), row(uniform[at % 3] ?? mixed, at))).toBe(true);
    });
    expect(differenceMax(row(uniform[0] ?? mixed, 5), row(uniform[2] ?? mixed, 5))).toBeGreaterThan(
      0,
    );
  });

  it("has each use's own precision, alike as batches and token by token", () => {
    const rule = inLastLayer((_, use) => (use === 0 ? 2 : 1));
    const [batches, tokens] = [evaluate(rule, false), evaluate(rule, true)];
    const other = evaluate(
      inLastLayer((_, use) => (use === 0 ? 1 : 2)),
      true,
    );
    expect(differenceMax(batches, tokens)).toBeLessThan(0.05 * differenceMax(other, tokens));
  });

  it("is near a model whose weights are those of the mixture, by expert", () => {
    const rule = {
      isPerToken: true,
      choose: ({ experts }: RoutedBatch, tiers: Uint8Array) => {
        experts.forEach((expert, i) => {
          tiers[i] = expert % 2 === 0 ? 0 : 2;
        });
      },
    };
    const oracle = mixedByExpert();
    const expected = oracle.evaluate(TEXT, new UniformRule(0), oracle.newCounts(), true);
    const meanDistance = (hidden: Float32Array) =>
      hidden.reduce((sum, value, i) => sum + Math.abs(value - (expected[i] ?? 0)), 0);
    const mixed = meanDistance(evaluate(rule, true));
    for (const tier of [0, 2]) {
      // What is left is the rounding of activations, which F32 weights do not ask for.
      expect(mixed).toBeLessThan(0.4 * meanDistance(evaluate(new UniformRule(tier), true)));
    }
    oracle.close();
  });

  it("counts uses by precision and the bytes of the experts computed with", () => {
    const counts = evaluator.newCounts();
    evaluator.evaluate(
      TEXT,
      inLastLayer((token) => (token < 10 ? 1 : 0)),
      counts,
    );
    expect([...counts.uses]).toEqual([40 * 2 * 3 - 20, 20, 0]);
    const [full, low] = [small, q4].map(({ layout }) => layout.expertBytes);
    expect(counts.bytes).toBe(220 * (full ?? 0) + 20 * (low ?? 0));
  });
});

/** A model in F32 whose odd experts are the expanded q2_k twins. */
function mixedByExpert(): TextEvaluator {
  const library = GgmlLibrary.load();
  const { metadata, tensors } = randomModel(SMALL);
  const mixed = tensors.map((tensor): GgufTensorInput => {
    const twin = q2.file.tensors.get(tensor.name);
    if (!twin) return tensor;
    const low = new Uint8Array(twin.sizeBytes);
    q2.file.read(twin.offset, low);
    const values = dequantise(library, tensor.type, tensor.bytes);
    const lossy = dequantise(library, twin.type, low);
    const perExpert = values.length / SMALL.experts;
    for (let expert = 1; expert < SMALL.experts; expert += 2) {
      const [from, to] = [expert * perExpert, (expert + 1) * perExpert];
      values.set(lossy.subarray(from, to), from);
    }
    return { ...tensor, type: TENSOR_TYPE.F32, bytes: new Uint8Array(values.buffer) };
  });
  const path = join(folder, "mixed.gguf");
  writeFileSync(path, encodeGguf({ metadata, tensors: mixed }));
  const file = openGguf(path);
  const oracle = open({ file, layout: expertLayout(file, describeModel(file)) });
  file.close();
  return oracle;
}

it("gives the shipped model's text the likelihood that llama.cpp gives it", () => {
  const file = openGguf(SHIPPED_MODEL);
  const model = describeModel(file);
  const shipped = new TextEvaluator([{ file, layout: expertLayout(file, model) }], {
    threads: 1,
    contextLength: 64,
    batchTokens: 64,
  });
  const llama = new LlamaCpp(SHIPPED_MODEL, model.vocabularySize, { threads: 1 });
  const text = Int32Array.from({ length: 60 }, () => random.nextInt(model.vocabularySize));
  const count = model.vocabularySize;
  const nllOf = (logits: Float32Array, first: number, next: number) =>
    rowStatistics({ logits, first, count }).logSum - (logits[first + next] ?? 0);
  let theirs = 0;
  for (let i = 0; i + 1 < text.length; i++) {
    theirs += nllOf(llama.evaluateOne(text[i] ?? 0), 0, text[i + 1] ?? 0);
  }
  for (const perToken of [true, false]) {
    const hidden = shipped.evaluate(text, new UniformRule(0), shipped.newCounts(), perToken);
    const logits = shipped.logits(hidden);
    let ours = 0;
    for (let i = 0; i + 1 < text.length; i++) ours += nllOf(logits, i * count, text[i + 1] ?? 0);
    // As batches the experts and attention round otherwise.
    expect(Math.abs(ours / theirs - 1)).toBeLessThan(perToken ? 1e-6 : 2e-3);
  }
  llama.close();
  shipped.close();
  file.close();
});
