import { LETTER, NUMBER, SPACE } from "./unicode-classes.ts";

/**
 * Splits a text in words before byte-pair encoding, which never crosses their borders.
 *
 * @see Radford et al. 2019, GPT-2's `encoder.py`; llama.cpp `unicode_regex_split_custom_gpt2`
 */
const GPT2_WORDS = new RegExp(
  `'s|'t|'re|'ve|'m|'ll|'d| ?${LETTER}+| ?${NUMBER}+| ?[^${SPACE}${LETTER}${NUMBER}]+|` +
    `${SPACE}+(?![^${SPACE}])|${SPACE}+`,
  "gv",
);

/** The words of a text, in order; joined they are the text. */
export function splitWords(text: string): string[] {
  return text.match(GPT2_WORDS) ?? [];
}
