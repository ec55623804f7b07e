import { expect } from "vitest";
import { chunks } from "./texts.ts";
import { borderVocabulary, type Pair, withBoth } from "./vocabulary-file.ts";

/** Both give the same tokens of a text, with and without special tokens. */
export function expectSameTokens({ ours, llama }: Pair, text: string): void {
  for (const [addSpecial, parseSpecial] of [
    [true, false],
    [false, true],
  ] as const) {
    const tokens = ours.encode(text, { addSpecial, parseSpecial });
    const expected = llama.tokenize(text, addSpecial, parseSpecial);
    expect(tokens, JSON.stringify(text.slice(0, 200))).toEqual(expected);
  }
}

/** Both give the same bytes of every token. */
export function expectSameBytes({ ours, llama }: Pair): void {
  const all = Array.from({ length: ours.vocabularySize }, (_, token) => token);
  const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
  for (const withSpecial of [true, false]) {
    const found = all.map((token) => `${token}: ${hex(ours.bytesOf(token, withSpecial))}`);
    const expected = all.map((token) => `${token}: ${hex(llama.piece(token, withSpecial))}`);
    expect(found).toEqual(expected);
  }
}

/** A character with others around that show most word borders. */
const AMONG_ASCII = (c: string) => `a${c}1${c}!${c} ${c}B`;
/** The same with letters and signs that one rule tells apart and a later one joins. */
export const AMONG_ALL = (c: string) => `${AMONG_ASCII(c)}中${c}é${c}。${c}`;

/**
 * Code points, as hexadecimal numbers, around which a pre-tokenizer cuts in another way than
 * llama.cpp.
 *
 * @param path where to write the vocabulary
 */
export function differentBorders(
  path: string,
  pre: string,
  points: readonly number[],
  among = AMONG_ASCII,
): string[] {
  return withBoth(path, borderVocabulary(pre), ({ ours, llama }) => {
    const isSame = (some: readonly number[]) => {
      const text = some
        .map((point) => String.fromCodePoint(point))
        .map(among)
        .join("");
      const tokens = ours.encode(text, { addSpecial: false });
      return tokens.join() === llama.tokenize(text, false, false).join();
    };
    return chunks(points)
      .filter((some) => !isSame(some))
      .flatMap((some) => some.filter((point) => !isSame([point])))
      .map((point) => point.toString(16));
  });
}
