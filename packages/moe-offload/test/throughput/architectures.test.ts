import { describe, it } from "vitest";
import { decodePrompt, decodeWhole, withFile } from "../engine/every-way.ts";
import { type RandomModel, randomModelFile } from "../engine/random-model.ts";
import { BYTE_TOKENS } from "../model/byte-tokenizer.ts";
import { expectSameRows, generate, randomPrompts } from "./open-group.ts";

const PLAIN = {
  seed: 4,
  layers: 3,
  width: 64,
  heads: 4,
  kvHeads: 2,
  experts: 6,
  used: 2,
  inner: 32,
  context: 40,
  ropeBase: 10_000,
  epsilon: 1e-5,
} as const;
const MODELS: RandomModel[] = [
  { ...PLAIN, architecture: "qwen2moe", sharedInner: 64 },
  { ...PLAIN, architecture: "qwen3moe", headLength: 32 },
  { ...PLAIN, architecture: "olmoe", kvHeads: 4 },
  // Experts of two kinds, so that slots are of two classes.
  { ...PLAIN, architecture: "llama", outputBias: true, types: { "1.ffn_down_exps": "Q4_0" } },
  { ...PLAIN, architecture: "deepseek", denseLead: 1, denseInner: 96, sharedCount: 2 },
  { ...PLAIN, architecture: "granitemoe", tied: true, used: 1 },
];
const OUTPUT = 5;

describe.each(MODELS.map((model) => [model.architecture, model] as const))("%s", (_, model) => {
  it("generates in batches of one what the engine computes token by token", () => {
    withFile(randomModelFile(model), (path) => {
      const prompts = randomPrompts([1, 1], BYTE_TOKENS.length);
      const shape = { path, batches: 2, prompts, outputTokens: OUTPUT };
      const group = generate({ ...shape, schedule: "klotski", slotCount: 5 });
      prompts.forEach((prompt, sequence) => {
        const tokens = [...prompt, ...(group.tokens[sequence] ?? [])].slice(0, OUTPUT);
        expectSameRows(group.logits[sequence], decodeWhole(path, tokens));
      });
    });
  });

  it("gives the same bits with every schedule and budget, prompts as one graph gives them", () => {
    withFile(randomModelFile(model), (path) => {
      const prompts = randomPrompts([3, 7, 1, 5], BYTE_TOKENS.length);
      const shape = { path, batches: 2, prompts, outputTokens: OUTPUT };
      const expected = generate({ ...shape, schedule: "zig-zag", slotCount: 18 }).logits;
      prompts.forEach((prompt, sequence) => {
        expectSameRows(expected[sequence]?.slice(0, 1), [decodePrompt(path, prompt)]);
      });
      for (const schedule of ["no-overlap", "hot-prefetch", "klotski", "aggressive"] as const) {
        for (const slotCount of schedule === "klotski" ? [2, 7] : [3]) {
          const { logits } = generate({ ...shape, schedule, slotCount, haste: 0.2 });
          expectSameRows(logits.flat(), expected.flat());
        }
      }
    });
  });
});
