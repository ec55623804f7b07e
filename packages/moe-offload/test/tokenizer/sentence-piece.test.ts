import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createPrng } from "@fmlab/sim";
import { afterAll, describe, expect, it } from "vitest";
import { expectSameBytes, expectSameTokens } from "./compare.ts";
import { LONG_TEXTS, randomText, TEXTS } from "./texts.ts";
import {
  openOurs,
  sentencePieceVocabulary,
  type VocabularyFile,
  withBoth,
} from "./vocabulary-file.ts";

const folder = mkdtempSync(join(tmpdir(), "fmlab-sentence-piece-"));
const path = join(folder, "vocabulary.gguf");
afterAll(() => rmSync(folder, { recursive: true }));

describe("SentencePiece against llama.cpp's", () => {
  it.each([1, 2, 3])(
    "gives the same tokens with vocabulary %i, special tokens read or not",
    (seed) => {
      withBoth(path, sentencePieceVocabulary(seed), (pair) => {
        const random = createPrng(seed, "texts");
        for (const text of [...TEXTS, ...LONG_TEXTS]) expectSameTokens(pair, text);
        for (let i = 0; i < 300; i++) expectSameTokens(pair, randomText(random));
      });
    },
  );

  it("gives the same tokens for code points of all planes", () => {
    withBoth(path, sentencePieceVocabulary(4), (pair) => {
      const characters = [];
      for (let point = 1; point < 0x110000; point += 37) {
        if (point < 0xd800 || point > 0xdfff) characters.push(String.fromCodePoint(point));
      }
      for (let i = 0; i < characters.length; i += 500) {
        expectSameTokens(pair, characters.slice(i, i + 500).join(" the "));
      }
    });
  });

  it("gives the same bytes for every token, of every type", () => {
    withBoth(path, sentencePieceVocabulary(5), (pair) => expectSameBytes(pair));
  });

  it("puts a space before the text only where the file wants it", () => {
    const file = sentencePieceVocabulary(6);
    for (const add_space_prefix of [true, false]) {
      withBoth(path, { ...file, flags: { add_space_prefix } }, (pair) => {
        for (const text of TEXTS) expectSameTokens(pair, text);
        const tokens = pair.ours.encode("the", { addSpecial: false });
        expect(pair.ours.decode(tokens)).toBe(add_space_prefix ? " the" : "the");
      });
    }
  });

  it("merges leftmost first in a file without scores", () => {
    const { scores: _, ...file } = sentencePieceVocabulary(7);
    withBoth(path, file, (pair) => {
      for (const text of TEXTS) expectSameTokens(pair, text);
    });
  });

  it("takes an ASCII character that is a token for its byte where the byte's token is missing", () => {
    const file = sentencePieceVocabulary(8);
    const tokens = file.tokens.map((token) => {
      if (token === "\n") return "was a line end";
      return token === "<0x0A>" ? "\n" : token;
    });
    const types = file.types?.map((type, token) => (tokens[token] === "\n" ? 1 : type));
    withBoth(path, { ...file, tokens, ...(types && { types }) }, (pair) => {
      for (const text of TEXTS) expectSameTokens(pair, text);
    });
  });
});

describe("a SentencePiece tokenizer", () => {
  it("gives back every text it encoded, after the space it puts before", () => {
    const ours = openOurs(path, sentencePieceVocabulary(9));
    const random = createPrng(9, "texts");
    for (let i = 0; i < 200; i++) {
      const text = randomText(random).replace(/\u2581|\[X\]/g, "");
      const tokens = ours.encode(text, { addSpecial: false });
      expect(ours.decode(tokens)).toBe(text === "" ? "" : ` ${text}`);
    }
  });

  it("takes 100,000 characters without quadratic time", () => {
    const ours = openOurs(path, sentencePieceVocabulary(9));
    const text = "the forest ".repeat(9_000);
    expect(ours.decode(ours.encode(text, { addSpecial: false }))).toBe(` ${text}`);
  });

  it("refuses a file without a token for some byte, or with too few or no real scores", () => {
    const file = sentencePieceVocabulary(10);
    const without = (change: Partial<VocabularyFile>) => () =>
      openOurs(path, { ...file, ...change });
    const tokens = file.tokens.map((token) => (token === "<0xE2>" ? "other" : token));
    expect(without({ tokens })).toThrow(/lacks byte 226 \("<0xE2>"\)/);
    expect(without({ scores: [1, 2] })).toThrow(/scores must be \d+ numbers/);
    expect(without({ scores: file.tokens.map(() => Number.NaN) })).toThrow(/scores must be/);
  });
});
