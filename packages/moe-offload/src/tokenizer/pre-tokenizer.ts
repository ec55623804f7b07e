import { MoeError } from "../errors.ts";

/**
 * Cuts a text in words: each stage cuts the words of the one before in its matches and what lies
 * between them. Stages see one word at a time, so that `$` and look-ahead end with it.
 *
 * @param stages global regular expressions that match no empty text
 * @returns the words in order; joined they are the text
 * @throws MoeError `WORD_TOO_LONG` when a run of characters overflows the matcher's stack
 * @see llama.cpp src/unicode.cpp `unicode_regex_split`
 */
export function splitWords(text: string, stages: readonly RegExp[]): string[] {
  let words = text === "" ? [] : [text];
  for (const stage of stages) {
    const parts: string[] = [];
    for (const word of words) cut(word, stage, parts);
    words = parts;
  }
  return words;
}

/** `exec` and not `matchAll`, which copies the regular expression at every call. */
function cut(word: string, stage: RegExp, parts: string[]): void {
  let end = 0;
  stage.lastIndex = 0;
  for (let match = next(stage, word); match !== null; match = next(stage, word)) {
    if (match.index > end) parts.push(word.slice(end, match.index));
    parts.push(match[0]);
    end = stage.lastIndex;
  }
  if (end === 0) parts.push(word);
  else if (end < word.length) parts.push(word.slice(end));
}

function next(stage: RegExp, word: string): RegExpExecArray | null {
  try {
    return stage.exec(word);
  } catch (cause) {
    // The engine's matcher keeps a place to come back to for each character of a run.
    if (!(cause instanceof RangeError)) throw cause;
    throw new MoeError(
      `a text has a run of up to ${word.length} characters of one kind (letters, white space, …), ` +
        "which is too long to be cut in words. Break it up, e.g. by line ends and letters.",
      { code: "WORD_TOO_LONG", characters: word.length },
      { cause },
    );
  }
}
