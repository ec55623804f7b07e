import { MoeError } from "../errors.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";

/** How a text is cut. */
export interface WindowOptions {
  /** Tokens of a window, at least 2. */
  readonly windowTokens: number;
  /** Tokens of the text that are used; 0 for all. */
  readonly tokensMax: number;
}

/**
 * A text as consecutive windows of tokens; the last one is as long as what remains. Where the model
 * wants a token at the beginning, each window begins with it, as in llama.cpp's perplexity.
 *
 * @throws MoeError `BAD_TEXT` for a text of fewer than two tokens
 */
export function cutWindows(
  tokenizer: Pick<Tokenizer, "encode" | "addsBos" | "bosToken">,
  text: string,
  { windowTokens, tokensMax }: WindowOptions,
): Int32Array[] {
  const all = tokenizer.encode(text, { addSpecial: false });
  if (all.length < 2) {
    throw new MoeError(
      `the text has ${all.length} tokens; at least 2 are needed to predict one from another. ` +
        "Give a longer text.",
      { code: "BAD_TEXT", path: "", problem: `${all.length} tokens` },
    );
  }
  const tokens = tokensMax > 0 ? all.slice(0, Math.max(2, tokensMax)) : all;
  const lead = tokenizer.addsBos && tokenizer.bosToken !== undefined ? [tokenizer.bosToken] : [];
  const step = windowTokens - lead.length;
  const windows: Int32Array[] = [];
  for (let from = 0; from < tokens.length; from += step) {
    windows.push(Int32Array.from([...lead, ...tokens.slice(from, from + step)]));
  }
  return windows;
}
