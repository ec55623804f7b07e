import { type GgufFile, getBoolean, getString } from "@fmlab/ggml";
import { MoeError } from "../errors.ts";
import { badModel } from "../model/description.ts";
import { ByteLevelBpe } from "./byte-level-bpe.ts";
import { PRE_TOKENIZERS, type PreTokenizer } from "./pre-tokenizers.ts";
import { byteOfText, SentencePiece } from "./sentence-piece.ts";
import { findSpecialTokens, isControl, SpecialTokenSplitter } from "./special-tokens.ts";
import type { SubwordModel } from "./subword-model.ts";
import { readVocabulary, TOKEN_TYPE, type Vocabulary } from "./vocabulary.ts";

/** How a text is turned into tokens. */
export interface EncodeOptions {
  /**
   * Put the beginning-of-sequence token first and the end-of-sequence token last, where the model
   * wants them (`addsBos`, `addsEos`). Default true.
   */
  addSpecial?: boolean;
  /** Read the texts of control tokens, e.g. `<|endoftext|>`, as these tokens. Default false. */
  parseSpecial?: boolean;
}

/**
 * The tokenizer of a model file: byte-level byte-pair encoding or SentencePiece. Gives the tokens
 * llama.cpp gives (test/tokenizer/llama-oracle.test.ts).
 */
export class Tokenizer {
  readonly vocabularySize: number;
  readonly bosToken: number | undefined;
  readonly eosToken: number | undefined;
  /** Tokens that end a generation; `eosToken` is one, chat models have more. */
  readonly endTokens: ReadonlySet<number>;
  /** Whether `encode` starts with `bosToken`. */
  readonly addsBos: boolean;
  /** Whether `encode` ends with `eosToken`. */
  readonly addsEos: boolean;
  #texts: readonly string[];
  #types: Int32Array;
  #model: SubwordModel;
  #splitter: SpecialTokenSplitter;
  #utf8 = new TextEncoder();

  /**
   * @throws MoeError `UNSUPPORTED_TOKENIZER` | `BAD_MODEL`
   * @throws GgufError `MISSING_KEY` | `WRONG_KEY`
   */
  constructor(file: GgufFile) {
    const kind = kindOf(file);
    const vocabulary = readVocabulary(file);
    const special = findSpecialTokens(file, vocabulary, kind.defaults);
    this.vocabularySize = vocabulary.texts.length;
    this.bosToken = special.bos;
    this.eosToken = special.eos;
    this.endTokens = special.ends;
    this.addsBos = getBoolean(file, "tokenizer.ggml.add_bos_token", kind.addsBos);
    this.addsEos = getBoolean(file, "tokenizer.ggml.add_eos_token", false);
    if (this.addsBos && special.bos === undefined) throw lacks(file, "bos");
    if (this.addsEos && special.eos === undefined) throw lacks(file, "eos");
    this.#texts = vocabulary.texts;
    this.#types = special.types;
    this.#splitter = new SpecialTokenSplitter(vocabulary.texts, special.types);
    this.#model = kind.open(vocabulary);
  }

  /** The tokens of a text. Lone surrogates count as U+FFFD, as in UTF-8 encoding. */
  encode(text: string, { addSpecial = true, parseSpecial = false }: EncodeOptions = {}): number[] {
    const tokens: number[] = [];
    if (addSpecial && this.addsBos && this.bosToken !== undefined) tokens.push(this.bosToken);
    for (const piece of this.#splitter.split(wellFormed(text), parseSpecial)) {
      if (typeof piece === "number") tokens.push(piece);
      else for (const token of this.#model.encode(piece)) tokens.push(token);
    }
    if (addSpecial && this.addsEos && this.eosToken !== undefined) tokens.push(this.eosToken);
    return tokens;
  }

  /**
   * The bytes a token stands for; control tokens stand for none unless `withSpecial`, unused ones
   * never for any.
   *
   * @throws MoeError `BAD_TOKEN`
   */
  bytesOf(token: number, withSpecial = true): Uint8Array {
    const text = this.#texts[token];
    if (text === undefined) {
      throw new MoeError(
        `${token} is not a token: the vocabulary has the tokens 0 to ${this.vocabularySize - 1}.`,
        { code: "BAD_TOKEN", token, vocabularySize: this.vocabularySize },
      );
    }
    const type = this.#types[token];
    if (isControl(type)) return this.#utf8.encode(withSpecial ? text : "");
    if (type === TOKEN_TYPE.userDefined) return this.#utf8.encode(text);
    if (type === TOKEN_TYPE.normal) return this.#model.bytesOf(text);
    const byte = type === TOKEN_TYPE.byte ? byteOfText(text) : undefined;
    return Uint8Array.from(byte === undefined ? [] : [byte]);
  }

  /**
   * The bytes of tokens as text; bytes that are not UTF-8 become U+FFFD. The space SentencePiece
   * puts before a text stays.
   */
  decode(tokens: Iterable<number>, withSpecial = true): string {
    const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
    let text = "";
    for (const token of tokens) {
      text += decoder.decode(this.bytesOf(token, withSpecial), { stream: true });
    }
    return text + decoder.decode();
  }
}

/** What a tokenizer model is by default and how it is opened. */
interface Kind {
  addsBos: boolean;
  defaults: { bos: number; eos: number };
  open: (vocabulary: Vocabulary) => SubwordModel;
}

/** A file without pre-tokenizer has "default", as in llama.cpp. */
function kindOf(file: GgufFile): Kind {
  const model = getString(file, "tokenizer.ggml.model");
  if (model === "llama") {
    const open = ({ texts, tokens }: Vocabulary) => new SentencePiece(file, texts, tokens);
    return { addsBos: true, defaults: { bos: 1, eos: 2 }, open };
  }
  if (model !== "gpt2") throw unsupported(file, "tokenizer.ggml.model", model);
  const name = getString(file, "tokenizer.ggml.pre", "") || "default";
  const rule: PreTokenizer | undefined = PRE_TOKENIZERS.get(name);
  if (rule === undefined) throw unsupported(file, "tokenizer.ggml.pre", name);
  const open = ({ tokens }: Vocabulary) => new ByteLevelBpe(file, tokens, rule);
  return { addsBos: rule.addsBos, defaults: { bos: 11, eos: 11 }, open };
}

/** The message lists tokenizer models and pre-tokenizers; `supported` joins them: "gpt2/qwen2". */
function unsupported(file: GgufFile, key: string, found: string): MoeError {
  const names = [...PRE_TOKENIZERS.keys()];
  return new MoeError(
    `${file.path} has ${key} "${found}". This version reads tokenizer.ggml.model "llama" ` +
      `(SentencePiece), and "gpt2" with one of tokenizer.ggml.pre ${names.join(", ")}. ` +
      "Choose another model file.",
    {
      code: "UNSUPPORTED_TOKENIZER",
      path: file.path,
      found,
      supported: ["llama", ...names.map((name) => `gpt2/${name}`)],
    },
  );
}

function lacks(file: GgufFile, name: "bos" | "eos"): MoeError {
  const problem = `add_${name}_token is true, but there is no tokenizer.ggml.${name}_token_id`;
  return badModel(file, problem);
}

/** The text with U+FFFD for every lone surrogate. */
function wellFormed(text: string): string {
  return text.replace(/\p{Surrogate}/gu, "\ufffd");
}
