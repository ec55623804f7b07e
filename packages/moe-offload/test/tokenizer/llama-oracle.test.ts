import { openGguf } from "@fmlab/ggml";
import { createPrng } from "@fmlab/sim";
import { afterAll, describe, expect, it } from "vitest";
import { Tokenizer } from "../../src/tokenizer/tokenizer.ts";
import { SHIPPED_MODEL } from "../shipped-model.ts";
import { expectSameBytes, expectSameTokens } from "./compare.ts";
import { openLlamaVocabulary } from "./llama-vocabulary.ts";
import { chunks, codePoints, LONG_TEXTS, randomText, TEXTS } from "./texts.ts";

describe("the tokenizer against llama.cpp's", () => {
  const file = openGguf(SHIPPED_MODEL);
  const ours = new Tokenizer(file);
  const llama = openLlamaVocabulary(SHIPPED_MODEL);
  afterAll(() => {
    file.close();
    llama.free();
  });

  it.each([...TEXTS, ...LONG_TEXTS].map((text) => [text]))(
    "gives the same tokens for %j",
    (text) => {
      expectSameTokens({ ours, llama }, text);
    },
  );

  it("gives the same tokens for 3,000 random texts of many kinds", () => {
    const random = createPrng(1, "texts");
    for (let i = 0; i < 3000; i++) expectSameTokens({ ours, llama }, randomText(random));
  });

  it("gives the same tokens for code points of all planes, whatever is around them", () => {
    for (const points of chunks(codePoints().filter((p) => p % 7 === 0))) {
      const text = points
        .map((point) => String.fromCodePoint(point))
        .map((c) => `the${c}the ${c}2 ${c}${c} ?${c}`)
        .join("");
      expect(ours.encode(text, { addSpecial: false })).toEqual(llama.tokenize(text, false, false));
    }
  });

  it("gives the same bytes for every token", () => {
    expectSameBytes({ ours, llama });
  });
});
