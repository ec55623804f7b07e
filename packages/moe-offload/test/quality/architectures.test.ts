import { afterAll, describe, expect, it } from "vitest";
import { UniformRule } from "../../src/precision/rules.ts";
import { openTwins } from "../../src/precision/twins.ts";
import { TextEvaluator } from "../../src/quality/text-evaluator.ts";
import { LlamaCpp } from "../engine/llama-cpp.ts";
import { differenceMax, haveSameBits } from "../engine/open.ts";
import type { RandomModel } from "../engine/random-model.ts";
import { openSmall, temporaryFolder } from "../precision/small-moe.ts";

const { path: folder, remove } = temporaryFolder();
afterAll(remove);

const TINY = { width: 64, inner: 32, experts: 4, sharedInner: 0, context: 32 };
/** Layers of two types of experts, so that slots are of two classes. */
const TYPES = { "1.ffn_down_exps": "Q5_0", "1.ffn_gate_exps": "F16" } as const;
const MODELS: readonly Partial<RandomModel>[] = [
  { architecture: "qwen3moe", types: TYPES },
  { architecture: "olmoe", kvHeads: 4 },
  { architecture: "llama", tied: true, types: TYPES },
  {
    architecture: "deepseek",
    denseLead: 1,
    denseInner: 96,
    sharedCount: 2,
    sharedInner: 64,
    types: TYPES,
  },
  { architecture: "granitemoe", sharedInner: 64 },
];
const TEXT = Int32Array.from({ length: 21 }, (_, i) => (37 * i * i + 11 * i) % 250);

describe.each(MODELS)("a text evaluated with a model of $architecture", (changes) => {
  const small = openSmall(folder, { ...TINY, ...changes }, changes.architecture);
  const twins = openTwins({ ...small, kind: "q4_0", folder });
  const evaluator = new TextEvaluator([small, twins], {
    threads: 1,
    contextLength: 32,
    batchTokens: 32,
  });
  const { width, vocabularySize } = evaluator;
  afterAll(() => {
    evaluator.close();
    twins.file.close();
    small.file.close();
  });
  const evaluate = (tier: number, perToken: boolean) =>
    evaluator.evaluate(TEXT, new UniformRule(tier), evaluator.newCounts(), perToken);

  it("has llama.cpp's bits token by token, and its logits within 1e-3 as a batch", () => {
    const options = { threads: 1, contextLength: 32, repack: false };
    const llama = new LlamaCpp(small.path, vocabularySize, options);
    const last = evaluate(0, false).subarray((TEXT.length - 1) * width);
    const theirs = llama.evaluate(TEXT);
    expect(differenceMax(evaluator.logits(last), theirs)).toBeLessThan(1e-3);
    llama.reset();
    const hidden = evaluate(0, true);
    const different = [...TEXT.keys()].filter((at) => {
      const row = hidden.subarray(at * width, (at + 1) * width);
      return !haveSameBits(evaluator.logits(row), llama.evaluateOne(TEXT[at] ?? 0));
    });
    expect(different).toEqual([]);
    llama.close();
  });

  it("moves alike in low precision, as a batch and token by token", () => {
    const [full, low] = [0, 1].map((tier) => evaluate(tier, false));
    const tokens = evaluate(1, true);
    if (!full || !low) throw new Error("two were evaluated");
    const moved = differenceMax(full, low);
    expect(moved).toBeGreaterThan(0.01);
    expect(differenceMax(low, tokens)).toBeLessThan(0.3 * moved);
  });
});
