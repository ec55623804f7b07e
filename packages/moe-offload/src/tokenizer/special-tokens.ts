import { type GgufFile, getInteger } from "@fmlab/ggml";
import { TOKEN_TYPE, type Vocabulary } from "./vocabulary.ts";

/** The tokens of a model that are more than text. */
export interface SpecialTokens {
  /** Beginning and end of a text; undefined when the file has none. */
  readonly bos: number | undefined;
  readonly eos: number | undefined;
  /** Tokens that end a generation: the end of a text, of a turn, of a message, … */
  readonly ends: ReadonlySet<number>;
  /** Types by token number; control tokens that the file calls otherwise are put right. */
  readonly types: Int32Array;
}

/** Roles that few files state, and the texts that published models give the token. */
const ROLES = {
  endOfTurn: {
    keys: ["eot_token_id"],
    texts:
      "<|eot_id|> <|im_end|> <|end|> <end_of_turn> <|endoftext|> <|end_of_text|> <EOT> _<EOT> " +
      "<｜end▁of▁sentence｜> <end_of_utterance>",
  },
  endOfMessage: { keys: ["eom_token_id"], texts: "<|eom_id|>" },
  fillPrefix: {
    keys: ["fim_pre_token_id", "prefix_token_id"],
    texts: "<|fim_prefix|> <fim-prefix> <fim_prefix> <｜fim▁begin｜> <PRE> ▁<PRE> <|code_prefix|>",
  },
  fillSuffix: {
    keys: ["fim_suf_token_id", "suffix_token_id"],
    texts: "<|fim_suffix|> <fim-suffix> <fim_suffix> <｜fim▁hole｜> <SUF> ▁<SUF> <|code_suffix|>",
  },
  fillMiddle: {
    keys: ["fim_mid_token_id", "middle_token_id"],
    texts: "<|fim_middle|> <fim-middle> <fim_middle> <｜fim▁end｜> <MID> ▁<MID> <|code_middle|>",
  },
  fillPad: { keys: ["fim_pad_token_id"], texts: "<|fim_pad|> <fim-pad> <fim_pad> <PAD>" },
  fillRepository: {
    keys: ["fim_rep_token_id"],
    texts: "<|fim_repo|> <|repo_name|> <fim-repo> <REPO> <reponame>",
  },
  fillSeparator: { keys: ["fim_sep_token_id"], texts: "<|file_sep|>" },
} as const;
/** Roles that end a generation. */
const ENDING_ROLES: readonly string[] = [
  "endOfTurn",
  "endOfMessage",
  "fillPad",
  "fillRepository",
  "fillSeparator",
];
/** Texts of tokens that end a generation, whatever their role. */
const END_TEXTS =
  "<|eot_id|> <|im_end|> <|end|> <|return|> <|call|> <end_of_turn> <|endoftext|> <|eom_id|> " +
  "<EOT> _<EOT> <|end_of_text|> <end_of_utterance>";
/** Control tokens that are always shown as text. */
const SHOWN_TEXTS = "<|channel|> <|message|> <|start|> <|constrain|>";

/**
 * Finds the special tokens as llama.cpp does: by the file's keys, else by texts that published
 * models use, since many files lack the keys. Where a vocabulary has several texts of one role the
 * first listed counts (llama.cpp: any).
 *
 * @param defaults the tokens of the tokenizer model when the file names none
 * @throws GgufError `WRONG_KEY` when a key names no token of the vocabulary
 * @see llama.cpp src/llama-vocab.cpp `llama_vocab::impl::load`
 */
export function findSpecialTokens(
  file: GgufFile,
  { tokens, texts, types: written }: Vocabulary,
  defaults: { bos: number; eos: number },
): SpecialTokens {
  const types = Int32Array.from(written);
  const last = texts.length - 1;
  const named = (...keys: readonly string[]): number | undefined => {
    const key = keys.map((k) => `tokenizer.ggml.${k}`).find((k) => file.metadata.has(k));
    return key === undefined ? undefined : getInteger(file, key, { max: last });
  };
  const inVocabulary = (token: number) => (token <= last ? token : undefined);
  const bos = named("bos_token_id") ?? inVocabulary(defaults.bos);
  const eos = named("eos_token_id") ?? inVocabulary(defaults.eos);
  const ends = new Set(eos === undefined ? [] : [eos]);
  const withTexts = (list: string) => list.split(" ").flatMap((text) => tokens.get(text) ?? []);
  for (const [role, { keys, texts: list }] of Object.entries(ROLES)) {
    let token = named(...keys);
    if (token === undefined) {
      token = withTexts(list)[0];
      if (token !== undefined) types[token] = TOKEN_TYPE.control;
    }
    if (token !== undefined && ENDING_ROLES.includes(role)) ends.add(token);
  }
  for (const token of withTexts(END_TEXTS)) {
    types[token] = TOKEN_TYPE.control;
    ends.add(token);
  }
  for (const token of withTexts(SHOWN_TEXTS)) types[token] = TOKEN_TYPE.userDefined;
  return { bos, eos, ends, types };
}

/** Splits texts at the special tokens they hold. */
export class SpecialTokenSplitter {
  /** Tokens that are found in a text before all else, longest text first. */
  #special: readonly { text: string; token: number; isControl: boolean }[];

  constructor(texts: readonly string[], types: Int32Array) {
    const utf8 = new TextEncoder();
    this.#special = texts
      .map((text, token) => ({ text, token, isControl: isControl(types[token]) }))
      .filter(({ token, isControl }) => isControl || types[token] === TOKEN_TYPE.userDefined)
      .map((special) => ({ ...special, bytes: utf8.encode(special.text).length }))
      .sort((a, b) => b.bytes - a.bytes || a.token - b.token);
  }

  /**
   * The text cut at special tokens: texts between them, numbers for them. Tokens a user defined
   * are always found, control tokens only with `parseSpecial`.
   */
  split(text: string, parseSpecial: boolean): (string | number)[] {
    let pieces: (string | number)[] = text === "" ? [] : [text];
    for (const { text: special, token, isControl } of this.#special) {
      if (isControl && !parseSpecial) continue;
      if (!text.includes(special)) continue;
      pieces = pieces.flatMap((piece) =>
        typeof piece === "string" ? cutAt(piece, special, token) : [piece],
      );
    }
    return pieces;
  }
}

/** Control tokens and the unknown token stand for no text. */
export function isControl(type: number | undefined): boolean {
  return type === TOKEN_TYPE.control || type === TOKEN_TYPE.unknown;
}

function cutAt(text: string, special: string, token: number): (string | number)[] {
  return text
    .split(special)
    .flatMap((part, i): (string | number)[] => (i === 0 ? [part] : [token, part]))
    .filter((piece) => piece !== "");
}
