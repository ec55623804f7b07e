import { type GgufFile, getBoolean } from "@fmlab/ggml";
import { badModel } from "../model/description.ts";
import { type Merge, mergePairs } from "./byte-pair-merger.ts";
import type { SubwordModel } from "./subword-model.ts";

/** SentencePiece writes a space as U+2581, so that tokens show where words begin. */
const SPACE_MARK = "\u2581";

/**
 * SentencePiece's byte-pair encoding, `tokenizer.ggml.model` "llama": spaces become U+2581, and
 * neighbours whose joined text is a token merge, the token of highest score first, over the whole
 * text. A character that is no token becomes its UTF-8 bytes, as tokens `<0x00>` to `<0xFF>`.
 *
 * @see Kudo and Richardson 2018, SentencePiece; llama.cpp `llm_tokenizer_spm_session`
 */
export class SentencePiece implements SubwordModel {
  #texts: readonly string[];
  #tokens: ReadonlyMap<string, number>;
  #scores: Float64Array;
  #byteTokens: Int32Array;
  #addsSpacePrefix: boolean;
  #utf8 = new TextEncoder();

  /**
   * @param texts the vocabulary: texts by token number
   * @param tokens the same the other way round
   * @throws MoeError `BAD_MODEL`
   * @throws GgufError `WRONG_KEY`
   */
  constructor(file: GgufFile, texts: readonly string[], tokens: ReadonlyMap<string, number>) {
    this.#texts = texts;
    this.#tokens = tokens;
    this.#scores = readScores(file, texts.length);
    this.#byteTokens = byteTokens(file, tokens);
    this.#addsSpacePrefix = getBoolean(file, "tokenizer.ggml.add_space_prefix", true);
  }

  /** The first text and each after a special token begin with a space, if the file wants that. */
  encode(text: string): readonly number[] {
    const prefix = this.#addsSpacePrefix ? " " : "";
    const characters = (prefix + text).replaceAll(" ", SPACE_MARK);
    const size = this.#texts.length;
    const symbols = Array.from(
      characters,
      (character) => this.#tokens.get(character) ?? size + (character.codePointAt(0) ?? 0),
    );
    const merged = mergePairs(symbols, (left, right) => this.#mergeOf(left, right));
    const tokens: number[] = [];
    for (const symbol of merged) {
      if (symbol < size) tokens.push(symbol);
      else for (const byte of this.#bytes(symbol)) tokens.push(this.#byteTokens[byte] ?? 0);
    }
    return tokens;
  }

  /** U+2581 stands for a space. */
  bytesOf(tokenText: string): Uint8Array {
    return this.#utf8.encode(tokenText.replaceAll(SPACE_MARK, " "));
  }

  /** Two symbols merge when their joined text is a token. */
  #mergeOf(left: number, right: number): Merge | undefined {
    const token = this.#tokens.get(this.#textOf(left) + this.#textOf(right));
    return token === undefined ? undefined : { token, rank: -(this.#scores[token] ?? 0) };
  }

  /** Symbols from the vocabulary's size on are characters that are no tokens. */
  #textOf(symbol: number): string {
    return this.#texts[symbol] ?? String.fromCodePoint(symbol - this.#texts.length);
  }

  #bytes(symbol: number): Uint8Array {
    return this.#utf8.encode(this.#textOf(symbol));
  }
}

/** The text of the token of a byte. */
const textOfByte = (byte: number) => `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`;

/** The byte a token of type byte stands for, from its text, e.g. `<0x0A>`. */
export function byteOfText(text: string): number | undefined {
  return /^<0x[0-9A-Fa-f]{2}>$/.test(text) ? Number.parseInt(text.slice(3, 5), 16) : undefined;
}

function byteTokens(file: GgufFile, tokens: ReadonlyMap<string, number>): Int32Array {
  return Int32Array.from({ length: 256 }, (_, byte) => {
    const character = byte < 0x80 ? String.fromCharCode(byte) : "";
    const token = tokens.get(textOfByte(byte)) ?? tokens.get(character);
    if (token === undefined) {
      throw badModel(file, `its vocabulary lacks byte ${byte} ("${textOfByte(byte)}")`);
    }
    return token;
  });
}

/** Without scores every token has 0, so that the leftmost pair merges first. */
function readScores(file: GgufFile, count: number): Float64Array {
  const value = file.metadata.get("tokenizer.ggml.scores");
  if (value === undefined) return new Float64Array(count);
  const isNumbers =
    value.type === "array" && (value.elementType === "float32" || value.elementType === "int32");
  const scores = isNumbers ? Float64Array.from(value.value) : new Float64Array();
  if (scores.length === count && !scores.some(Number.isNaN)) return scores;
  throw badModel(file, `tokenizer.ggml.scores must be ${count} numbers, one for each token`);
}
