import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isDomainError } from "@fmlab/experiment";
import { afterAll, describe, expect, it } from "vitest";
import { CHARACTER_OF_BYTE } from "../../src/tokenizer/byte-alphabet.ts";
import {
  byteLevelVocabulary,
  openOurs,
  type Pair,
  sentencePieceVocabulary,
  type VocabularyFile,
  withBoth,
} from "./vocabulary-file.ts";

const folder = mkdtempSync(join(tmpdir(), "fmlab-special-"));
const path = join(folder, "vocabulary.gguf");
afterAll(() => rmSync(folder, { recursive: true }));

const KINDS: [string, VocabularyFile][] = [
  ["SentencePiece", sentencePieceVocabulary(1)],
  ["qwen2", byteLevelVocabulary("qwen2")],
  ["llama-bpe", byteLevelVocabulary("llama-bpe")],
];
const FLAGS: Record<string, boolean>[] = [
  {},
  { add_bos_token: true, add_eos_token: true },
  { add_bos_token: false, add_eos_token: false },
  { add_bos_token: false, add_eos_token: true },
];

describe("beginning and end of sequence against llama.cpp's", () => {
  it.each(KINDS)("are added to a text as the file or the kind says: %s", (_, file) => {
    for (const flags of FLAGS) {
      withBoth(path, { ...file, flags }, (pair) => {
        expectSameSpecial(pair);
        for (const text of ["", "the forest", "<|endoftext|>", "</s> x"]) {
          for (const addSpecial of [true, false]) {
            const options = { addSpecial, parseSpecial: true };
            const expected = pair.llama.tokenize(text, addSpecial, true);
            expect(pair.ours.encode(text, options)).toEqual(expected);
          }
        }
      });
    }
  });

  it.each(KINDS)("have the kind's numbers where the file has none: %s", (_, file) => {
    withBoth(path, { ...file, tokenKeys: {} }, (pair) => expectSameSpecial(pair));
    withBoth(path, { ...file, tokenKeys: { bos_token_id: 5, eos_token_id: 7 } }, (pair) =>
      expectSameSpecial(pair),
    );
  });
});

/** Texts that published models give to special tokens, each in a file of its own. */
const SPECIAL_TEXTS =
  "<|eot_id|> <|im_end|> <|end|> <end_of_turn> <|endoftext|> <|end_of_text|> <EOT> _<EOT> " +
  "<｜end▁of▁sentence｜> <end_of_utterance> <|eom_id|> <|fim_prefix|> <fim-suffix> <fim_middle> " +
  "<｜fim▁begin｜> <PRE> ▁<SUF> <|code_middle|> <|fim_pad|> <fim_pad> <PAD> <|fim_repo|> " +
  "<|repo_name|> <REPO> <reponame> <|file_sep|> <|return|> <|call|> <|channel|> <|message|> </s> " +
  "<|start|> <|constrain|> <s> <unk> <|im_start|> [INST] <|begin_of_text|> <|eos|> <bos> <eos>";

describe("special tokens against llama.cpp's", () => {
  it.each([1, 3, 4])("are known by text where the file calls them type %i", (type) => {
    // One text a file: which of several of a role counts is an accident in llama.cpp.
    for (const text of SPECIAL_TEXTS.split(" ")) {
      const file = {
        model: "gpt2",
        pre: "qwen2",
        tokens: [...CHARACTER_OF_BYTE, text],
        merges: ["a b"],
        types: [...CHARACTER_OF_BYTE.map(() => 1), type],
      };
      withBoth(path, { ...file, tokenKeys: { eos_token_id: 0 } }, (pair) => {
        const token = CHARACTER_OF_BYTE.length;
        expect(pair.ours.endTokens.has(token), text).toBe(pair.llama.isEnd(token));
        for (const parseSpecial of [true, false]) {
          const written = `a${text}b ${text}`;
          const expected = pair.llama.tokenize(written, false, parseSpecial);
          const found = pair.ours.encode(written, { addSpecial: false, parseSpecial });
          expect(found, text).toEqual(expected);
          const bytes = pair.llama.piece(token, parseSpecial);
          if (isAscii(text)) expect(pair.ours.bytesOf(token, parseSpecial), text).toEqual(bytes);
        }
      });
    }
  });

  it("end a generation where the file's keys say so", () => {
    const file = byteLevelVocabulary("qwen2");
    const keys = ["eot", "eom", "fim_pad", "fim_rep", "fim_sep", "fim_pre", "fim_suf", "fim_mid"];
    const tokenKeys = Object.fromEntries(keys.map((key, i) => [`${key}_token_id`, 20 + i]));
    withBoth(path, { ...file, tokenKeys: { ...file.tokenKeys, ...tokenKeys } }, (pair) =>
      expectSameSpecial(pair),
    );
  });

  it("are read longest first, whatever overlaps", () => {
    const { tokens, types, ...rest } = byteLevelVocabulary("qwen2");
    const more = ["<a>", "<a><b>", "<b>", "<é>", "b><", "\u2581\u2581", "\n\n\n", "日>", ">ab"];
    const moreTypes = [3, 4, 4, 3, 4, 4, 4, 4, 4];
    const file = { ...rest, tokens: [...tokens, ...more], types: [...types, ...moreTypes] };
    withBoth(path, file, ({ ours, llama }) => {
      for (const text of [
        "<a><b><a>",
        "<b><é><b>",
        "<<a>b><b",
        "日>ab>ab",
        "\n\n\n\n\n x",
        "a\u2581\u2581\u2581",
      ]) {
        for (const parseSpecial of [true, false]) {
          const expected = llama.tokenize(text, false, parseSpecial);
          expect(ours.encode(text, { addSpecial: false, parseSpecial })).toEqual(expected);
        }
      }
    });
  });

  it("of type unused and undefined stand for no bytes, and an empty text has a name", () => {
    const { tokens, types, ...rest } = byteLevelVocabulary("qwen2");
    const file = { ...rest, tokens: [...tokens, "pad0", "odd", ""], types: [...types, 5, 0, 1] };
    withBoth(path, file, ({ ours, llama }) => {
      for (let token = tokens.length; token < ours.vocabularySize; token++) {
        expect(ours.bytesOf(token)).toEqual(llama.piece(token, true));
      }
    });
  });
});

describe("a tokenizer this package does not have", () => {
  const refusal = (file: VocabularyFile) => {
    try {
      openOurs(path, file);
    } catch (error) {
      if (isDomainError(error)) return { message: error.message, failure: error.failure };
    }
    throw new Error("it was taken");
  };

  it("is refused by model, with a list of what is supported", () => {
    for (const model of ["bert", "t5", "rwkv", "no_vocab", ""]) {
      const { message, failure } = refusal({ ...byteLevelVocabulary("qwen2"), model });
      expect(failure).toMatchObject({ code: "UNSUPPORTED_TOKENIZER", found: model });
      expect(message).toMatch(/tokenizer\.ggml\.model "llama" .*"gpt2" with .*qwen2.*deepseek-llm/);
    }
  });

  it("is refused by pre-tokenizer, with a list of what is supported", () => {
    const { message, failure } = refusal(byteLevelVocabulary("kimi-k2"));
    const supported = expect.arrayContaining(["llama", "gpt2/qwen2", "gpt2/refact"]);
    expect(failure).toMatchObject({ code: "UNSUPPORTED_TOKENIZER", found: "kimi-k2", supported });
    expect(message).toContain("olmo");
  });

  it("is refused as damaged when it adds a token that it does not have", () => {
    const file = { ...sentencePieceVocabulary(1), flags: { add_bos_token: true } };
    const { tokenKeys: _, ...bpe } = byteLevelVocabulary("qwen2");
    expect(() => openOurs(path, { ...file, tokenKeys: { bos_token_id: 1e9 } })).toThrow(
      /bos_token/,
    );
    const tokens = bpe.tokens.slice(0, 8);
    expect(() =>
      openOurs(path, { ...bpe, tokens, types: tokens.map(() => 1), flags: file.flags }),
    ).toThrow(/there is no tokenizer.ggml.bos_token_id/);
  });

  it("is refused as damaged when a byte has no token or a merge is no pair", () => {
    const file = byteLevelVocabulary("qwen2");
    expect(() =>
      openOurs(
        path,
        byteLevelVocabulary("qwen2", (t) => t === "a"),
      ),
    ).toThrow(/lacks byte 97/);
    expect(() => openOurs(path, { ...file, merges: ["ab"] })).toThrow(
      /merge 0 \("ab"\) is no pair/,
    );
  });

  it("is taken when only a byte that UTF-8 never has lacks a token", () => {
    const file = byteLevelVocabulary("qwen2", (token) => token === "\u00ff" || token === "\u00c1");
    withBoth(path, file, ({ ours, llama }) => {
      const text = "naïve Ångström ÿÁ 日本";
      expect(ours.encode(text)).toEqual(llama.tokenize(text, true, false));
    });
  });
});

function expectSameSpecial({ ours, llama }: Pair): void {
  expect(ours.bosToken ?? -1).toBe(llama.bos);
  expect(ours.eosToken ?? -1).toBe(llama.eos);
  expect(ours.addsBos).toBe(llama.addsBos);
  expect(ours.addsEos).toBe(llama.addsEos);
  const all = Array.from({ length: ours.vocabularySize }, (_, token) => token);
  expect(all.filter((t) => ours.endTokens.has(t))).toEqual(all.filter((t) => llama.isEnd(t)));
}

/** llama.cpp writes an error into the bytes of a normal token that its alphabet lacks. */
function isAscii(text: string): boolean {
  return /^[!-~]+$/.test(text);
}
