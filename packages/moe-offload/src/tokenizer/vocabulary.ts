import { type GgufFile, getIntegers, getStrings } from "@fmlab/ggml";
import { badModel } from "../model/description.ts";

/** Values of `tokenizer.ggml.token_type`. @see llama.h `enum llama_token_type` */
export const TOKEN_TYPE = {
  normal: 1,
  unknown: 2,
  control: 3,
  userDefined: 4,
  unused: 5,
  byte: 6,
} as const;

/** The tokens of a model file. */
export interface Vocabulary {
  /** Texts by token number, as the file writes them. */
  readonly texts: readonly string[];
  /** Token numbers by text. */
  readonly tokens: ReadonlyMap<string, number>;
  /** Types by token number, see `TOKEN_TYPE`. */
  readonly types: Int32Array;
}

/**
 * Reads the tokens and their types; an empty text becomes `[EMPTY_<number>]`, as in llama.cpp.
 *
 * @throws MoeError `BAD_MODEL` when it is empty or has a token twice
 * @throws GgufError `MISSING_KEY` | `WRONG_KEY`
 */
export function readVocabulary(file: GgufFile): Vocabulary {
  const texts = getStrings(file, "tokenizer.ggml.tokens").map((text, token) =>
    text === "" ? `[EMPTY_${token}]` : text,
  );
  const tokens = new Map(texts.map((text, token) => [text, token]));
  if (texts.length === 0 || tokens.size !== texts.length) {
    throw badModel(file, "its vocabulary is empty or has a token twice");
  }
  return { texts, tokens, types: readTypes(file, texts.length) };
}

function readTypes(file: GgufFile, count: number): Int32Array {
  if (!file.metadata.has("tokenizer.ggml.token_type")) {
    return new Int32Array(count).fill(TOKEN_TYPE.normal);
  }
  const types = getIntegers(file, "tokenizer.ggml.token_type");
  if (types.length === count) return Int32Array.from(types);
  throw badModel(file, `it has ${types.length} token types for ${count} tokens`);
}
