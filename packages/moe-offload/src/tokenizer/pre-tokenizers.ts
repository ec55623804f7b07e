import { inClass, LETTER, NUMBER, PUNCTUATION, SPACE } from "./unicode-classes.ts";

/**
 * How the vocabularies of `tokenizer.ggml.model` "gpt2" cut a text in words before byte-pair
 * encoding, which never crosses their borders, by `tokenizer.ggml.pre`. Only data; the names that
 * share a rule differ in what their models were trained with, not here.
 *
 * @see llama.cpp src/llama-vocab.cpp `llm_tokenizer_bpe`, src/unicode.cpp `unicode_regex_split`
 */
export interface PreTokenizer {
  /** Each cuts the words of the one before in its matches and what lies between them. */
  readonly stages: readonly RegExp[];
  /** Whether a text starts with the beginning-of-sequence token when the file does not say. */
  readonly addsBos: boolean;
  /** Whether a word that is a token becomes it, whatever the merges give. */
  readonly ignoresMerges: boolean;
}

const OTHER = `[^${SPACE}${LETTER}${NUMBER}]`;
const LINE_END = "[\\r\\n]";
/** Everything but letters, numbers and line ends: what may lead a word. */
const LEAD = `[^\\r\\n${LETTER}${NUMBER}]`;
const SPACES = `${SPACE}+(?![^${SPACE}])|${SPACE}+`;
const CONTRACTION = "'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD]";
/** Letters but a to z, and letters but A to Z: cases are told apart in ASCII only. */
const UPPER = `[${LETTER}--[a-z]]`;
const LOWER = `[${LETTER}--[A-Z]]`;

/** Letters with a case, as DeepSeek's tokenizers list them. */
const DEEPSEEK_LETTERS = inClass(
  "41-5a 61-7a b5 c0-d6 d8-f6 f8-1ba 1bc-1bf 1c4-293 295-2af 370-373 376-377 37b-37d 37f 386 " +
    "388-38a 38c 38e-3a1 3a3-3f5 3f7-481 48a-52f 531-556 10a0-10c5 13a0-13f5 13f8-13fd " +
    "1c90-1cba 1cbd-1cbf 1d00-1d2b 1d6b-1d77 1d79-1d9a 1e00-1f15 1f18-1f1d 1f20-1f45 1f48-1f4d " +
    "1f50-1f57 1f59 1f5b 1f5d 1f5f-1f7d 1f80-1fb4 1fb6-1fbc 1fbe 1fc2-1fc4 1fc6-1fcc 1fd0-1fd3 " +
    "1fd6-1fdb 1fe0-1fec 1ff2-1ff4 1ff6-1ffc 2102 2107 210a-2113 2115 2119-211d 2124 2126 2128 " +
    "212a-212d 212f-2134 2139 213c-213f 2145-2149 214e 2183-2184 2c00-2c7b 2c7e-2ce4 2ceb-2cee " +
    "2cf2-2cf3 a640-a66d a680-a69b a722-a76f a771-a787 a78b-a78e ab70-abbf fb00-fb06 fb13-fb17 " +
    "ff21-ff3a ff41-ff5a 10400-1044f 104b0-104d3 104d8-104fb 10c80-10cb2 10cc0-10cf2 " +
    "118a0-118df 1e900-1e943",
);
const DEEPSEEK_PUNCTUATION = inClass("21-2f 3a-7e ff01-ff0f ff1a-ff5e 2018-201f 3001-3002");
/** Ideographs, syllables and all else from U+0800; white space there is white space. */
const DEEPSEEK_IDEOGRAPHS = `[[${inClass("800-9fa5 ac00-d7ff")}]--${SPACE}]`;

/** GPT-2: contractions in small letters, runs of one class with a space before them. */
const GPT2 = `'s|'t|'re|'ve|'m|'ll|'d| ?${LETTER}+| ?${NUMBER}+| ?${OTHER}+|${SPACES}`;
/** tiktoken's cl100k with `digits`: a word takes what leads it, punctuation the line end. */
const cl100k = (digits: string) =>
  `${CONTRACTION}|${LEAD}?${LETTER}+|${digits}| ?${OTHER}+${LINE_END}*|` +
  `${SPACE}*${LINE_END}+|${SPACES}`;
const TEKKEN =
  `${LEAD}?${UPPER}*${LOWER}+|${LEAD}?${UPPER}+${LOWER}*|${NUMBER}| ?${OTHER}+[\\r\\n\\/]*|` +
  `${SPACE}*${LINE_END}+|${SPACES}`;

const DEEPSEEK_LLM = [
  LINE_END,
  `${SPACE}?[${DEEPSEEK_LETTERS}]+`,
  `${SPACE}?[${DEEPSEEK_PUNCTUATION}]+`,
  // Looks back so that it is tried once a run of spaces, not at each of them.
  `(?<!${SPACE})${SPACE}+$`,
  `${DEEPSEEK_IDEOGRAPHS}+`,
  `${NUMBER}+`,
];
const DEEPSEEK_CODER = [
  LINE_END,
  `${SPACE}?${LETTER}+`,
  `${SPACE}?${PUNCTUATION}+`,
  `${DEEPSEEK_IDEOGRAPHS}+`,
  NUMBER,
];
/** What llama.cpp takes when a file does not say, and Falcon's with one sign more. */
const DEFAULT = [`[${PUNCTUATION}$+<=>\\^~\\|]+`, GPT2, `${NUMBER}+`, "[0-9][0-9][0-9]"];
const FALCON = [`[${PUNCTUATION}$+<=>\\^~\\|\`]+`, GPT2, "[0-9][0-9][0-9]"];

/** The pre-tokenizers this package has, by their GGUF name. */
export const PRE_TOKENIZERS: ReadonlyMap<string, PreTokenizer> = new Map([
  ...named("default", DEFAULT),
  ...named("gpt-2 phi-2 olmo mpt jais gigachat a.x-4.0 mellum trillion exaone4", [GPT2]),
  ...named("starcoder refact command-r smollm codeshell exaone minerva-7b", [NUMBER, GPT2]),
  ...named("qwen2 deepseek-r1-qwen stablelm2 hunyuan megrez grok-2", [cl100k(NUMBER)]),
  ...named("dbrx smaug-bpe", [cl100k(`${NUMBER}{1,3}`)]),
  ...named("llama3 llama-v3 llama-bpe falcon3 falcon-h1 pixtral", [cl100k(`${NUMBER}{1,3}`)], {
    addsBos: true,
    ignoresMerges: true,
  }),
  ...named("tekken", [TEKKEN], { addsBos: true, ignoresMerges: true }),
  ...named("deepseek-llm", DEEPSEEK_LLM),
  ...named("deepseek-coder", DEEPSEEK_CODER),
  ...named("falcon", FALCON),
]);

function named(
  names: string,
  stages: readonly string[],
  { addsBos, ignoresMerges } = { addsBos: false, ignoresMerges: false },
): [string, PreTokenizer][] {
  const rule = { stages: stages.map((stage) => new RegExp(stage, "gv")), addsBos, ignoresMerges };
  return names.split(" ").map((name) => [name, rule]);
}
