import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { encodeGguf, type GgufValue, openGguf } from "@fmlab/ggml";
import { createPrng } from "@fmlab/sim";
import { afterAll, describe, expect, it } from "vitest";
import { CHARACTER_OF_BYTE } from "../../src/tokenizer/byte-alphabet.ts";
import { Tokenizer } from "../../src/tokenizer/tokenizer.ts";
import { SHIPPED_MODEL } from "../shipped-model.ts";
import { openLlamaVocabulary } from "./llama-vocabulary.ts";

const TEXTS = [
  "",
  " ",
  "Once upon a time there was a little girl who lived near the forest.",
  "I'm sure they'll say it's what we've done; you're right, she'd know. 'sure 'tis 'Re",
  "  leading and trailing   runs   ",
  "\n\n\n",
  "\t\t x \r\n y \u000b \f z",
  "a\u0085b\u00a0c\u2028d\u3000e\ufefff\u200bg\u180eh",
  "12345 6 789.50 3,000,000 ½ ² Ⅷ ٣ 一二三",
  "naïve café Ångström — “quotes” … ‘single’",
  "日本語のテキスト 한국어 עברית العربية हिन्दी ไทย",
  "🦙👩‍👩‍👧‍👦🏳️‍🌈 🇩🇪 e\u0301 \u0000\u0001\u007f\u009f",
  "<|endoftext|>",
  "a<|endoftext|> b<|endoftext|><|endoftext|>",
  "<|endoftext|",
  "|endoftext|>",
  "x".repeat(5000),
  " ".repeat(3000),
  "ab ".repeat(2000),
  "the".repeat(1500),
  "\n ".repeat(700),
  "\ud800 lone \udfff",
  "'",
  "' s",
  "''s",
  "don''t",
  " 's",
  "'S 'LL",
  "a'sb'tc",
  "\u00a0the",
  "\u2003the",
];

describe("the tokenizer against llama.cpp's", () => {
  const file = openGguf(SHIPPED_MODEL);
  const ours = new Tokenizer(file);
  const llama = openLlamaVocabulary(SHIPPED_MODEL);
  afterAll(() => {
    file.close();
    llama.free();
  });
  const expectEqual = (text: string) => {
    for (const [addSpecial, parseSpecial] of [
      [true, false],
      [false, true],
      [false, false],
    ] as const) {
      const tokens = ours.encode(text, { addSpecial, parseSpecial });
      expect(tokens, JSON.stringify(text.slice(0, 200))).toEqual(
        llama.tokenize(text, addSpecial, parseSpecial),
      );
    }
  };

  it.each(TEXTS.map((text) => [text]))("gives the same tokens for %j", (text) => {
    expectEqual(text);
  });

  it("gives the same tokens for 3,000 random texts of many kinds", () => {
    const random = createPrng(1, "texts");
    for (let i = 0; i < 3000; i++) expectEqual(randomText(random));
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
    for (let token = 0; token < ours.vocabularySize; token++) {
      expect(ours.bytesOf(token)).toEqual(llama.piece(token, true));
    }
  });
});

describe("word borders against llama.cpp's", () => {
  const folder = mkdtempSync(join(tmpdir(), "fmlab-vocabulary-"));
  afterAll(() => rmSync(folder, { recursive: true }));

  it("lie where llama.cpp's Unicode tables put them, for every code point", () => {
    const path = join(folder, "borders.gguf");
    writeFileSync(path, borderVocabulary());
    const file = openGguf(path);
    const ours = new Tokenizer(file);
    const llama = openLlamaVocabulary(path);
    const isEqual = (points: number[]) => {
      const text = points
        .map((point) => String.fromCodePoint(point))
        .map((c) => `a${c}1${c}!${c} ${c}`)
        .join("");
      const tokens = ours.encode(text, { addSpecial: false });
      return tokens.join() === llama.tokenize(text, false, false).join();
    };
    const different = chunks(codePoints())
      .filter((points) => !isEqual(points))
      .flatMap((points) => points.filter((point) => !isEqual([point])))
      .map((point) => point.toString(16));
    llama.free();
    file.close();
    expect(different).toEqual([]);
  });
});

/**
 * A vocabulary in which `a`, `1`, `!` and space merge with every byte after them, so that each pair
 * of neighbours shows whether a word border lies between.
 */
function borderVocabulary(): Uint8Array {
  const left = ["a", "1", "!", "\u0120"];
  const merges = left.flatMap((l) => CHARACTER_OF_BYTE.map((r) => [l, r] as const));
  const tokens = [...CHARACTER_OF_BYTE, ...merges.map(([l, r]) => l + r), "<|endoftext|>"];
  const text = (value: string): GgufValue => ({ type: "string", value });
  const number = (value: number): GgufValue => ({ type: "uint32", value });
  return encodeGguf({
    metadata: [
      ["general.architecture", text("qwen2moe")],
      ["qwen2moe.context_length", number(512)],
      ["qwen2moe.embedding_length", number(32)],
      ["qwen2moe.block_count", number(1)],
      ["qwen2moe.feed_forward_length", number(32)],
      ["qwen2moe.attention.head_count", number(1)],
      ["tokenizer.ggml.model", text("gpt2")],
      ["tokenizer.ggml.pre", text("gpt-2")],
      ["tokenizer.ggml.tokens", { type: "array", elementType: "string", value: tokens }],
      [
        "tokenizer.ggml.merges",
        { type: "array", elementType: "string", value: merges.map(([l, r]) => `${l} ${r}`) },
      ],
      ["tokenizer.ggml.eos_token_id", number(tokens.length - 1)],
      ["tokenizer.ggml.bos_token_id", number(tokens.length - 1)],
    ],
    tensors: [],
  });
}

/**
 * Every code point that is or may soon be assigned; of the empty planes 4 to 13 one in a hundred.
 */
function codePoints(): number[] {
  const points: number[] = [];
  for (let point = 1; point < 0x110000; point++) {
    const isSurrogate = point >= 0xd800 && point < 0xe000;
    const isEmptyPlane = point >= 0x40000 && point < 0xe0000;
    const isPrivate = point >= 0xe1000;
    if (!isSurrogate && (point % 100 === 0 || !(isEmptyPlane || isPrivate))) points.push(point);
  }
  return points;
}

function chunks(points: number[]): number[][] {
  const size = 512;
  return Array.from({ length: Math.ceil(points.length / size) }, (_, i) =>
    points.slice(i * size, (i + 1) * size),
  );
}

/** Words, spaces, controls, code points of all planes and decoded random bytes, mixed. */
function randomText(random: ReturnType<typeof createPrng>): string {
  const words = ["the", "and", " forest", "'ll", "don't", "42", "...", "\n", "  ", "\t", " ", "é"];
  const pieces = Array.from({ length: 1 + random.nextInt(40) }, () => {
    switch (random.nextInt(6)) {
      case 0:
        return String.fromCodePoint(random.nextInt(0xd800));
      case 1:
        return String.fromCodePoint(0x1f300 + random.nextInt(0x400));
      case 2:
        return new TextDecoder().decode(Uint8Array.from({ length: 12 }, () => random.nextInt(256)));
      case 3:
        return String.fromCharCode(random.nextInt(128)).repeat(1 + random.nextInt(5));
      default:
        return random.pick(words);
    }
  });
  return pieces.join("");
}
