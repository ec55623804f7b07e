import { type GgufFile, getStrings } from "@fmlab/ggml";
import { badModel } from "../model/description.ts";
import { BYTE_OF_CHARACTER, CHARACTER_OF_BYTE } from "./byte-alphabet.ts";
import { type Merge, mergePairs } from "./byte-pair-merger.ts";
import { splitWords } from "./pre-tokenizer.ts";
import type { PreTokenizer } from "./pre-tokenizers.ts";
import type { SubwordModel } from "./subword-model.ts";

/** Words whose tokens are remembered; prose repeats few thousand words. */
const WORD_CACHE_ENTRIES = 20_000;
/** Longer words are not remembered, so that the cache stays small. */
const WORD_CACHE_CHARACTERS = 64;
/** Above the number of symbols a file can have; two symbols fit in one exact number. */
const SYMBOLS_MAX = 2 ** 26;

/**
 * Byte-level byte-pair encoding, `tokenizer.ggml.model` "gpt2": a text is cut in words, a word's
 * UTF-8 bytes are written in GPT-2's alphabet, and neighbours merge by the rank of their pair.
 *
 * A merge may give a text that is no token; where such a text is left over, each of its
 * characters that is a token by itself stands for it, as in llama.cpp.
 *
 * @see Radford et al. 2019, GPT-2's `encoder.py`; llama.cpp `llm_tokenizer_bpe_session`
 */
export class ByteLevelBpe implements SubwordModel {
  #tokens: ReadonlyMap<string, number>;
  #rule: PreTokenizer;
  #byteTokens: Int32Array;
  #merges: ReadonlyMap<number, Merge>;
  /** What to write for a symbol that is no token. */
  #leftOver = new Map<number, number[]>();
  #cache = new Map<string, readonly number[]>();
  #utf8 = new TextEncoder();

  /**
   * @param tokens the vocabulary: token numbers by text
   * @throws MoeError `BAD_MODEL`
   * @throws GgufError `MISSING_KEY` | `WRONG_KEY`
   */
  constructor(file: GgufFile, tokens: ReadonlyMap<string, number>, rule: PreTokenizer) {
    this.#tokens = tokens;
    this.#rule = rule;
    this.#byteTokens = byteTokens(file, tokens);
    this.#merges = this.#readMerges(file);
  }

  /** The tokens of each word. */
  encode(text: string): readonly number[] {
    const tokens: number[] = [];
    for (const word of splitWords(text, this.#rule.stages)) {
      for (const token of this.#word(word)) tokens.push(token);
    }
    return tokens;
  }

  /** A text with characters outside the alphabet stands for itself. */
  bytesOf(tokenText: string): Uint8Array {
    const bytes: number[] = [];
    for (const character of tokenText) {
      const byte = BYTE_OF_CHARACTER.get(character);
      if (byte === undefined) return this.#utf8.encode(tokenText);
      bytes.push(byte);
    }
    return Uint8Array.from(bytes);
  }

  #word(word: string): readonly number[] {
    const known = this.#cache.get(word);
    if (known !== undefined) return known;
    const tokens = this.#encodeWord(this.#utf8.encode(word));
    if (word.length <= WORD_CACHE_CHARACTERS) {
      if (this.#cache.size >= WORD_CACHE_ENTRIES) this.#cache.clear();
      this.#cache.set(word, tokens);
    }
    return tokens;
  }

  #encodeWord(bytes: Uint8Array): readonly number[] {
    if (this.#rule.ignoresMerges) {
      const whole = this.#tokens.get(Array.from(bytes, (b) => CHARACTER_OF_BYTE[b]).join(""));
      if (whole !== undefined) return [whole];
    }
    const symbols = Array.from(bytes, (byte) => this.#byteTokens[byte] ?? 0);
    const merged = mergePairs(symbols, (l, r) => this.#merges.get(l * SYMBOLS_MAX + r));
    if (this.#leftOver.size === 0) return merged;
    return merged.flatMap((symbol) => this.#leftOver.get(symbol) ?? [symbol]);
  }

  /** Merges by their pair of symbols; of a pair that occurs twice the first counts. */
  #readMerges(file: GgufFile): Map<number, Merge> {
    const merges = new Map<number, Merge>();
    const others = new Map<string, number>();
    const symbolOf = (text: string): number => {
      const known = this.#tokens.get(text) ?? others.get(text);
      if (known !== undefined) return known;
      const symbol = this.#tokens.size + others.size;
      others.set(text, symbol);
      this.#leftOver.set(symbol, this.#asciiTokens(text));
      return symbol;
    };
    getStrings(file, "tokenizer.ggml.merges").forEach((text, rank) => {
      // From 1, since a token may itself start with a space in other alphabets.
      const space = text.indexOf(" ", 1);
      if (space < 0) throw badModel(file, `merge ${rank} ("${text}") is no pair of tokens`);
      const left = text.slice(0, space);
      const right = text.slice(space + 1);
      const pair = symbolOf(left) * SYMBOLS_MAX + symbolOf(right);
      if (!merges.has(pair)) merges.set(pair, { token: symbolOf(left + right), rank });
    });
    return merges;
  }

  #asciiTokens(text: string): number[] {
    return [...text].flatMap((character) => {
      const token = character < "\u0080" ? this.#tokens.get(character) : undefined;
      return token === undefined ? [] : [token];
    });
  }
}

/** Bytes that no UTF-8 text has need no token. */
const isInUtf8 = (byte: number) => byte < 0xf5 && byte !== 0xc0 && byte !== 0xc1;

function byteTokens(file: GgufFile, tokens: ReadonlyMap<string, number>): Int32Array {
  return Int32Array.from(CHARACTER_OF_BYTE, (character, byte) => {
    const token = tokens.get(character);
    if (token === undefined && isInUtf8(byte)) {
      throw badModel(file, `its vocabulary lacks byte ${byte} ("${character}")`);
    }
    return token ?? 0;
  });
}
