import type { GgufValue } from "@fmlab/ggml";
import { CHARACTER_OF_BYTE } from "../../src/tokenizer/byte-alphabet.ts";

/** A byte-level tokenizer of 256 bytes, two merges and an end token. */
export const BYTE_TOKENS: readonly string[] = [...CHARACTER_OF_BYTE, "th", "the", "<|endoftext|>"];

/** Its metadata entries, as llama.cpp and this package read them. */
export function byteTokenizer(): [string, GgufValue][] {
  const texts = (value: string[]): GgufValue => ({ type: "array", elementType: "string", value });
  return [
    ["tokenizer.ggml.model", { type: "string", value: "gpt2" }],
    ["tokenizer.ggml.pre", { type: "string", value: "gpt-2" }],
    ["tokenizer.ggml.tokens", texts([...BYTE_TOKENS])],
    ["tokenizer.ggml.merges", texts(["t h", "th e"])],
    ["tokenizer.ggml.eos_token_id", { type: "uint32", value: BYTE_TOKENS.length - 1 }],
  ];
}
