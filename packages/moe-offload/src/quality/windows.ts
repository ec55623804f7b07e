import { MoeError } from "../errors.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";

/** How a text is cut. */
export interface WindowOptions {
  /** Tokens of a window, at least 2. */
  readonly windowTokens: number;
  /** Tokens of the text that are used; 0 for all. */
  readonly tokensMax: number;
  /**
   * Where the model wants a token at the beginning: put it before each window, as llama.cpp's
   * perplexity does, or before the text alone, so that windows cut the text's own tokens.
   */
  readonly begins: "windows" | "text";
}

/**
 * A text as consecutive windows of tokens; the last one is as long as what remains.
 *
 * @throws MoeError `BAD_TEXT` for a text of fewer than two tokens, `BAD_SETTING` for windows of
 *         fewer
 */
export function cutWindows(
  tokenizer: Pick<Tokenizer, "encode" | "addsBos" | "bosToken">,
  text: string,
  { begins, windowTokens, tokensMax }: WindowOptions,
): Int32Array[] {
  if (!(windowTokens >= 2)) {
    throw new MoeError(
      `windowTokens is ${windowTokens}; a window of fewer than 2 tokens has nothing to predict. ` +
        "Set it to 2 or more, or to 0 for the model's context.",
      { code: "BAD_SETTING", setting: "windowTokens", value: windowTokens, expected: "at least 2" },
    );
  }
  const all = tokenizer.encode(text, { addSpecial: false });
  if (all.length < 2) {
    throw new MoeError(
      `the text has ${all.length} tokens; at least 2 are needed to predict one from another. ` +
        "Give a longer text.",
      { code: "BAD_TEXT", path: "", problem: `${all.length} tokens` },
    );
  }
  const used = tokensMax > 0 ? all.slice(0, Math.max(2, tokensMax)) : all;
  const first = tokenizer.addsBos && tokenizer.bosToken !== undefined ? [tokenizer.bosToken] : [];
  const lead = begins === "windows" ? first : [];
  const tokens = begins === "text" ? [...first, ...used] : used;
  const step = windowTokens - lead.length;
  const windows: Int32Array[] = [];
  for (let from = 0; from < tokens.length; from += step) {
    windows.push(Int32Array.from([...lead, ...tokens.slice(from, from + step)]));
  }
  return windows;
}
