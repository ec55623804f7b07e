import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createPrng } from "@fmlab/sim";
import { afterAll, describe, expect, it } from "vitest";
import { splitWords } from "../../src/tokenizer/pre-tokenizer.ts";
import { PRE_TOKENIZERS } from "../../src/tokenizer/pre-tokenizers.ts";
import { AMONG_ALL, differentBorders, expectSameBytes, expectSameTokens } from "./compare.ts";
import { codePoints, LONG_TEXTS, randomText, TEXTS } from "./texts.ts";
import { byteLevelVocabulary, withBoth } from "./vocabulary-file.ts";

const folder = mkdtempSync(join(tmpdir(), "fmlab-pre-tokenizer-"));
const path = join(folder, "vocabulary.gguf");
afterAll(() => rmSync(folder, { recursive: true }));

/** One name of each rule; the other names share these. */
const RULES = "default gpt-2 refact qwen2 dbrx llama-bpe tekken deepseek-llm deepseek-coder falcon";

describe("every pre-tokenizer against llama.cpp's", () => {
  it.each([...PRE_TOKENIZERS.keys()])("%s gives the same tokens, BOS and EOS", (pre) => {
    withBoth(path, byteLevelVocabulary(pre), (pair) => {
      const random = createPrng(5, pre);
      for (const text of TEXTS) expectSameTokens(pair, text);
      for (let i = 0; i < 20; i++) expectSameTokens(pair, randomText(random));
      expect(pair.ours.addsBos).toBe(pair.llama.addsBos);
      expect(pair.ours.addsEos).toBe(pair.llama.addsEos);
    });
  });

  it.each(RULES.split(" "))("%s gives the same tokens for long and random texts", (pre) => {
    withBoth(path, byteLevelVocabulary(pre), (pair) => {
      const random = createPrng(6, pre);
      // The oracle's regular expressions recurse, so that much longer runs end its process.
      for (const text of LONG_TEXTS) expectSameTokens(pair, text.slice(0, 1000));
      for (let i = 0; i < 200; i++) expectSameTokens(pair, randomText(random));
    });
  });

  it("gives the same bytes for every token", () => {
    withBoth(path, byteLevelVocabulary("qwen2"), (pair) => expectSameBytes(pair));
  });

  it("takes the default rule for a file that names none", () => {
    withBoth(path, byteLevelVocabulary(undefined), (pair) => {
      for (const text of TEXTS) expectSameTokens(pair, text);
    });
  });

  it.each(["gpt-2", "llama-bpe"])(
    "leaves over what llama.cpp does where %s merges to no token",
    (pre) => {
      const isLeftOut = (token: string) => token.length % 3 === 2 && token !== "forest";
      withBoth(path, byteLevelVocabulary(pre, isLeftOut), (pair) => {
        const random = createPrng(7, pre);
        for (const text of TEXTS) expectSameTokens(pair, text);
        for (let i = 0; i < 50; i++) expectSameTokens(pair, randomText(random));
      });
    },
  );
});

describe("character classes against llama.cpp's", () => {
  it("put word borders where its Unicode tables do, for every code point", () => {
    expect(differentBorders(path, "gpt-2", codePoints())).toEqual([]);
  });

  it("hold the same punctuation", () => {
    const isPunctuation = /\p{P}/u;
    const points = range(1, 0x20000).filter((p) => isPunctuation.test(String.fromCodePoint(p)));
    expect(points.length).toBeGreaterThan(800);
    const others = range(1, 0x20000).filter((p) => p % 29 === 0);
    expect(differentBorders(path, "default", [...points, ...others])).toEqual([]);
  });

  it("hold the letters, punctuation and ideographs that DeepSeek lists", () => {
    const low = range(1, 0x3100);
    const cased = [range(0xa620, 0xabff), range(0xfaf0, 0x10000), range(0x103f0, 0x10500)];
    const high = [range(0x10c70, 0x10d00), range(0x11890, 0x118f0), range(0x1e8f0, 0x1e950)];
    const edges = [
      range(0x4df0, 0x4e10),
      range(0x9f90, 0x9fb0),
      range(0xabf0, 0xac10),
      range(0xd7f0, 0xd800),
    ];
    const points = [low, ...cased, ...high, ...edges].flat();
    expect(differentBorders(path, "deepseek-llm", points, AMONG_ALL)).toEqual([]);
  });
});

describe("splitting a text in words", () => {
  it.each(RULES.split(" "))("of %s gives words that join to the text", (pre) => {
    const stages = PRE_TOKENIZERS.get(pre)?.stages ?? [];
    const random = createPrng(8, pre);
    for (const text of [...TEXTS, ...Array.from({ length: 100 }, () => randomText(random))]) {
      const words = splitWords(text, stages);
      expect(words.join("")).toBe(text);
      expect(words).not.toContain("");
    }
  });

  it.each(RULES.split(" "))("of %s takes long runs of one character", (pre) => {
    const stages = PRE_TOKENIZERS.get(pre)?.stages ?? [];
    for (const character of ["x", "A", " ", "!", "1", "\n", "中", "'", "é", "🦙"]) {
      const run = character.repeat(20_000);
      for (const text of [`${run}.`, `${run}中`])
        expect(splitWords(text, stages).join("")).toBe(text);
    }
  });

  it("refuses a run that overflows the matcher's stack", () => {
    const stages = PRE_TOKENIZERS.get("gpt-2")?.stages ?? [];
    expect(() => splitWords("x".repeat(8_000_000), stages)).toThrow(
      expect.objectContaining({ code: "WORD_TOO_LONG" }),
    );
  });
});

/** From `start` up to `end`, without `end`. */
function range(start: number, end: number): number[] {
  return Array.from({ length: end - start }, (_, i) => start + i);
}
