import {
  type GgufFile,
  getBoolean,
  getInteger,
  getIntegers,
  getString,
  getStrings,
} from "@fmlab/ggml";
import { MoeError } from "../errors.ts";
import { badModel } from "../model/description.ts";
import { BYTE_OF_CHARACTER, CHARACTER_OF_BYTE } from "./byte-alphabet.ts";
import { type Merge, mergePairs } from "./byte-pair-merger.ts";
import { splitWords } from "./pre-tokenizer.ts";

/** Values of `tokenizer.ggml.token_type`. @see llama.h `enum llama_token_type` */
const TOKEN_TYPE = { unknown: 2, control: 3, userDefined: 4 } as const;
/** Words whose tokens are remembered; prose repeats few thousand words. */
const WORD_CACHE_ENTRIES = 20_000;
/** Longer words are not remembered, so that the cache stays small. */
const WORD_CACHE_CHARACTERS = 64;

/** How a text is turned into tokens. */
export interface EncodeOptions {
  /** Put the beginning-of-sequence token first, when the model wants one. Default true. */
  addSpecial?: boolean;
  /** Read the texts of control tokens, e.g. `<|endoftext|>`, as these tokens. Default false. */
  parseSpecial?: boolean;
}

/**
 * A byte-level byte-pair tokenizer with GPT-2's word splitting, read from a model file. Gives the
 * tokens llama.cpp gives (test/tokenizer/llama-oracle.test.ts).
 */
export class Tokenizer {
  readonly vocabularySize: number;
  readonly bosToken: number | undefined;
  readonly eosToken: number | undefined;
  readonly addsBos: boolean;
  #texts: readonly string[];
  #types: Int32Array;
  #byteTokens: Int32Array;
  #merges: Map<number, Merge>;
  /** Tokens that are found in a text before it is split in words, longest text first. */
  #special: { text: string; token: number; isControl: boolean }[];
  #cache = new Map<string, readonly number[]>();
  #utf8 = new TextEncoder();

  /**
   * @throws MoeError `UNSUPPORTED_TOKENIZER` | `BAD_MODEL`
   * @throws GgufError `MISSING_KEY` | `WRONG_KEY`
   */
  constructor(file: GgufFile) {
    requireKind(file, "tokenizer.ggml.model", "gpt2");
    requireKind(file, "tokenizer.ggml.pre", "gpt-2");
    const texts = getStrings(file, "tokenizer.ggml.tokens");
    const tokens = new Map(texts.map((text, token) => [text, token]));
    if (texts.length === 0 || tokens.size !== texts.length) {
      throw badModel(file, "its vocabulary is empty or has a token twice");
    }
    this.vocabularySize = texts.length;
    this.#texts = texts;
    this.#types = tokenTypes(file, texts.length);
    this.#byteTokens = byteTokens(file, tokens);
    this.#merges = readMerges(file, tokens);
    this.#special = this.#findSpecial();
    const last = texts.length - 1;
    const special = (key: string) =>
      file.metadata.has(key) ? getInteger(file, key, { max: last }) : undefined;
    this.bosToken = special("tokenizer.ggml.bos_token_id");
    this.eosToken = special("tokenizer.ggml.eos_token_id");
    this.addsBos = getBoolean(file, "tokenizer.ggml.add_bos_token", false);
  }

  /** The tokens of a text. Lone surrogates count as U+FFFD, as in UTF-8 encoding. */
  encode(text: string, { addSpecial = true, parseSpecial = false }: EncodeOptions = {}): number[] {
    const tokens: number[] = [];
    if (addSpecial && this.addsBos && this.bosToken !== undefined) tokens.push(this.bosToken);
    for (const piece of this.#splitSpecial(text, parseSpecial)) {
      if (typeof piece === "number") tokens.push(piece);
      else for (const word of splitWords(piece)) for (const t of this.#word(word)) tokens.push(t);
    }
    return tokens;
  }

  /**
   * The bytes a token stands for; control tokens stand for none unless `withSpecial`.
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
    if (type === TOKEN_TYPE.control || type === TOKEN_TYPE.unknown) {
      return this.#utf8.encode(withSpecial ? text : "");
    }
    if (type === TOKEN_TYPE.userDefined) return this.#utf8.encode(text);
    return bytesOfCharacters(text) ?? this.#utf8.encode(text);
  }

  /** The text of tokens; bytes that are not UTF-8 become U+FFFD. */
  decode(tokens: Iterable<number>, withSpecial = true): string {
    const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
    let text = "";
    for (const token of tokens) {
      text += decoder.decode(this.bytesOf(token, withSpecial), { stream: true });
    }
    return text + decoder.decode();
  }

  #word(word: string): readonly number[] {
    const known = this.#cache.get(word);
    if (known !== undefined) return known;
    const symbols = Array.from(this.#utf8.encode(word), (byte) => this.#byteTokens[byte] ?? 0);
    const size = this.vocabularySize;
    const tokens = mergePairs(symbols, (left, right) => this.#merges.get(left * size + right));
    if (word.length <= WORD_CACHE_CHARACTERS) {
      if (this.#cache.size >= WORD_CACHE_ENTRIES) this.#cache.clear();
      this.#cache.set(word, tokens);
    }
    return tokens;
  }

  #findSpecial(): { text: string; token: number; isControl: boolean }[] {
    const found: { text: string; token: number; isControl: boolean }[] = [];
    this.#texts.forEach((text, token) => {
      const type = this.#types[token];
      const isControl = type === TOKEN_TYPE.control || type === TOKEN_TYPE.unknown;
      if (text !== "" && (isControl || type === TOKEN_TYPE.userDefined)) {
        found.push({ text, token, isControl });
      }
    });
    return found.sort((a, b) => b.text.length - a.text.length || a.token - b.token);
  }

  /** The text cut at special tokens: texts between them, numbers for them. */
  #splitSpecial(text: string, parseSpecial: boolean): (string | number)[] {
    let pieces: (string | number)[] = text === "" ? [] : [text];
    for (const special of this.#special) {
      if (special.isControl && !parseSpecial) continue;
      pieces = pieces.flatMap((piece) =>
        typeof piece === "string" ? cutAt(piece, special.text, special.token) : [piece],
      );
    }
    return pieces;
  }
}

function cutAt(text: string, special: string, token: number): (string | number)[] {
  const between = text.split(special);
  if (between.length === 1) return [text];
  return between
    .flatMap((part, i): (string | number)[] => (i === 0 ? [part] : [token, part]))
    .filter((piece) => piece !== "");
}

function requireKind(file: GgufFile, key: string, supported: string): void {
  const found = getString(file, key);
  if (found === supported) return;
  throw new MoeError(
    `${file.path} has ${key} "${found}"; this version reads "${supported}" only. ` +
      "Choose another model file.",
    { code: "UNSUPPORTED_TOKENIZER", path: file.path, found, supported: [supported] },
  );
}

function tokenTypes(file: GgufFile, count: number): Int32Array {
  if (!file.metadata.has("tokenizer.ggml.token_type")) return new Int32Array(count).fill(1);
  const types = getIntegers(file, "tokenizer.ggml.token_type");
  if (types.length === count) return Int32Array.from(types);
  throw badModel(file, `it has ${types.length} token types for ${count} tokens`);
}

function byteTokens(file: GgufFile, tokens: ReadonlyMap<string, number>): Int32Array {
  return Int32Array.from(CHARACTER_OF_BYTE, (character, byte) => {
    const token = tokens.get(character);
    if (token === undefined) {
      throw badModel(file, `its vocabulary lacks byte ${byte} ("${character}")`);
    }
    return token;
  });
}

/** Merges by `left * vocabularySize + right`; of a pair that occurs twice the first counts. */
function readMerges(file: GgufFile, tokens: ReadonlyMap<string, number>): Map<number, Merge> {
  const merges = new Map<number, Merge>();
  getStrings(file, "tokenizer.ggml.merges").forEach((text, rank) => {
    // From 1, since a token may itself start with a space in other alphabets.
    const space = text.indexOf(" ", 1);
    const left = tokens.get(text.slice(0, space));
    const right = tokens.get(text.slice(space + 1));
    const token = tokens.get(text.slice(0, space) + text.slice(space + 1));
    if (space < 0 || left === undefined || right === undefined || token === undefined) {
      throw badModel(file, `merge ${rank} ("${text}") names a token that is not in the vocabulary`);
    }
    const pair = left * tokens.size + right;
    if (!merges.has(pair)) merges.set(pair, { token, rank });
  });
  return merges;
}

function bytesOfCharacters(text: string): Uint8Array | undefined {
  const bytes: number[] = [];
  for (const character of text) {
    const byte = BYTE_OF_CHARACTER.get(character);
    if (byte === undefined) return undefined;
    bytes.push(byte);
  }
  return Uint8Array.from(bytes);
}
