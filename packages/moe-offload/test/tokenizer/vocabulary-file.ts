import { writeFileSync } from "node:fs";
import { encodeGguf, type GgufFile, type GgufValue, openGguf } from "@fmlab/ggml";
import { createPrng } from "@fmlab/sim";
import { CHARACTER_OF_BYTE } from "../../src/tokenizer/byte-alphabet.ts";
import { Tokenizer } from "../../src/tokenizer/tokenizer.ts";
import { type LlamaVocabulary, openLlamaVocabulary } from "./llama-vocabulary.ts";
import { TEXTS } from "./texts.ts";

/** What a vocabulary-only model file says of its tokenizer; keys without `tokenizer.ggml.`. */
export interface VocabularyFile {
  model: string;
  pre?: string;
  tokens: readonly string[];
  merges?: readonly string[];
  types?: readonly number[];
  scores?: readonly number[];
  tokenKeys?: Readonly<Record<string, number>>;
  flags?: Readonly<Record<string, boolean>>;
}

/** The bytes of a model file without tensors, as llama.cpp loads with `vocab_only`. */
export function encodeVocabulary(file: VocabularyFile): Uint8Array {
  const text = (value: string): GgufValue => ({ type: "string", value });
  const number = (value: number): GgufValue => ({ type: "uint32", value });
  const texts = (value: readonly string[]): GgufValue => ({
    type: "array",
    elementType: "string",
    value: [...value],
  });
  const { pre, merges, types, scores } = file;
  const metadata: [string, GgufValue][] = [
    ["general.architecture", text("qwen2moe")],
    ["qwen2moe.context_length", number(512)],
    ["qwen2moe.embedding_length", number(32)],
    ["qwen2moe.block_count", number(1)],
    ["qwen2moe.feed_forward_length", number(32)],
    ["qwen2moe.attention.head_count", number(1)],
    ["tokenizer.ggml.model", text(file.model)],
    ["tokenizer.ggml.tokens", texts(file.tokens)],
  ];
  const add = (key: string, value: GgufValue) => metadata.push([`tokenizer.ggml.${key}`, value]);
  if (pre !== undefined) add("pre", text(pre));
  if (merges) add("merges", texts(merges));
  if (types) {
    const value = Int32Array.from(types);
    add("token_type", { type: "array", elementType: "int32", value });
  }
  if (scores) {
    const value = Float32Array.from(scores);
    add("scores", { type: "array", elementType: "float32", value });
  }
  for (const [key, value] of Object.entries(file.tokenKeys ?? {})) add(key, number(value));
  for (const [key, value] of Object.entries(file.flags ?? {})) add(key, { type: "bool", value });
  return encodeGguf({ metadata, tensors: [] });
}

/** Both tokenizers of one file. */
export interface Pair {
  ours: Tokenizer;
  llama: LlamaVocabulary;
}

/** Writes a vocabulary to `path` and gives both tokenizers of it to `use`. */
export function withBoth<T>(path: string, file: VocabularyFile, use: (pair: Pair) => T): T {
  writeFileSync(path, encodeVocabulary(file));
  const ours = withFile(path, (gguf) => new Tokenizer(gguf));
  const llama = openLlamaVocabulary(path);
  try {
    return use({ ours, llama });
  } finally {
    llama.free();
  }
}

/** Our tokenizer of a vocabulary; throws what the tokenizer throws. */
export function openOurs(path: string, file: VocabularyFile): Tokenizer {
  writeFileSync(path, encodeVocabulary(file));
  return withFile(path, (gguf) => new Tokenizer(gguf));
}

function withFile<T>(path: string, use: (file: GgufFile) => T): T {
  const file = openGguf(path);
  try {
    return use(file);
  } finally {
    file.close();
  }
}

const ASCII = ["a", "B", "1", "!", "'", "$", " ", "\n", "\r", "\t"];
/** The last bytes of U+4E2D, U+00E9 and U+3002: an ideograph, a letter, a full stop. */
const LAST_BYTES = [0xad, 0xa9, 0x82];
/** Bytes whose neighbour to the right shows whether a word border lies between. */
const BORDER = [...ASCII.map((c) => c.charCodeAt(0)), ...LAST_BYTES].map(
  (byte) => CHARACTER_OF_BYTE[byte] ?? "",
);
const SPECIAL = ["<|endoftext|>", "<|im_end|>", "[X]", "<unk>"];
const SPECIAL_TYPES = [3, 3, 4, 2];

/** A vocabulary-only file of byte-level byte-pair encoding. */
export interface ByteLevelFile extends VocabularyFile {
  merges: readonly string[];
  types: readonly number[];
  tokenKeys: Readonly<Record<string, number>>;
}

/**
 * A byte-level vocabulary whose merges are learned from the texts without regard to words, so
 * that merges want to cross every kind of border; then every byte merges with what `BORDER` has.
 *
 * @param leaveOut texts that merges give and that shall be no tokens
 */
export function byteLevelVocabulary(
  pre: string | undefined,
  leaveOut: (token: string) => boolean = () => false,
): ByteLevelFile {
  return byteLevelFile(pre, [...learnedMerges(), ...borderMerges()], leaveOut);
}

/** A byte-level vocabulary in which all bytes merge with the characters of `BORDER` before them. */
export function borderVocabulary(pre: string): ByteLevelFile {
  return byteLevelFile(pre, borderMerges(), () => false);
}

type Pairs = (readonly [string, string])[];

function borderMerges(): Pairs {
  return BORDER.flatMap((l) => CHARACTER_OF_BYTE.map((r) => [l, r] as const));
}

function byteLevelFile(
  pre: string | undefined,
  pairs: Pairs,
  leaveOut: (token: string) => boolean,
): ByteLevelFile {
  const merges = pairs.map(([l, r]) => `${l} ${r}`);
  const merged = pairs.map(([l, r]) => l + r);
  const words = [...new Set([...CHARACTER_OF_BYTE, ...merged, "forest", "\u0120forest"])];
  const normal = words.filter((word) => !SPECIAL.includes(word) && !leaveOut(word));
  const tokens = [...normal, ...SPECIAL];
  const types = [...normal.map(() => 1), ...SPECIAL_TYPES];
  const tokenKeys = { bos_token_id: normal.length, eos_token_id: normal.length };
  return { model: "gpt2", ...(pre && { pre }), tokens, merges, types, tokenKeys };
}

let learned: readonly (readonly [string, string])[] | undefined;

/** 400 merges of the most frequent pair of the texts' bytes (the first seen of equals). */
function learnedMerges(): readonly (readonly [string, string])[] {
  if (learned !== undefined) return learned;
  const utf8 = new TextEncoder();
  let texts = TEXTS.map((text) => Array.from(utf8.encode(text), (b) => CHARACTER_OF_BYTE[b] ?? ""));
  const merges: (readonly [string, string])[] = [];
  while (merges.length < 400) {
    const counts = new Map<string, number>();
    for (const text of texts) {
      for (let i = 1; i < text.length; i++) {
        const pair = `${text[i - 1]} ${text[i]}`;
        counts.set(pair, (counts.get(pair) ?? 0) + 1);
      }
    }
    const [best] = [...counts].reduce((a, b) => (b[1] > a[1] ? b : a));
    const [l = "", r = ""] = best.split(" ");
    merges.push([l, r]);
    texts = texts.map((text) => mergeIn(text, l, r));
  }
  learned = merges;
  return merges;
}

function mergeIn(text: readonly string[], left: string, right: string): string[] {
  const merged: string[] = [];
  for (const symbol of text) {
    if (symbol === right && merged.at(-1) === left) merged.splice(-1, 1, left + right);
    else merged.push(symbol);
  }
  return merged;
}

/** SentencePiece's tokens of bytes, `<0x00>` to `<0xFF>`. */
const BYTES = Array.from(
  { length: 256 },
  (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`,
);

/**
 * A SentencePiece vocabulary: Mixtral's three control tokens and bytes, then pieces of the texts
 * in random order with random scores, many of them equal, and tokens of all other types.
 */
export function sentencePieceVocabulary(seed: number): VocabularyFile {
  const random = createPrng(seed, "pieces");
  const pieces = new Set<string>();
  for (const text of TEXTS) {
    const characters = [...text.replace(/\p{Surrogate}/gu, "").replaceAll(" ", "\u2581")];
    characters.forEach((character, i) => {
      if (random.nextInt(10) > 0) pieces.add(character);
      for (let length = 2; length < 6; length++) {
        if (random.nextInt(3) > 0) pieces.add(characters.slice(i, i + length).join(""));
      }
    });
  }
  // llama.cpp ends a token at a zero byte.
  for (const piece of pieces) if (piece.includes("\u0000")) pieces.delete(piece);
  for (const other of ["<unk>", "<s>", "</s>", ...BYTES]) pieces.delete(other);
  const normal = [...pieces];
  const rest = ["[INST]", "[/INST]", "[X]", "\u2581\u2581\u2581user", "<unused0>"];
  const tokens = [...new Set(["<unk>", "<s>", "</s>", ...BYTES, ...normal, ...rest])];
  const types = tokens.map((token, i) => {
    if (i < 3) return i === 0 ? 2 : 3;
    if (i < 259) return 6;
    return [3, 3, 4, 4, 5][rest.indexOf(token)] ?? 1;
  });
  const scores = tokens.map((_, i) => (i < 259 ? 0 : -random.nextInt(300) / 7));
  return { model: "llama", tokens, types, scores };
}
