import { openGguf } from "@fmlab/ggml";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { mergePairs } from "../../src/tokenizer/byte-pair-merger.ts";
import { Tokenizer } from "../../src/tokenizer/tokenizer.ts";
import { SHIPPED_MODEL } from "../shipped-model.ts";

const file = openGguf(SHIPPED_MODEL);
const tokenizer = new Tokenizer(file);
file.close();
const SEED = 20_261_123;

describe("the tokenizer", () => {
  it("gives back every well-formed text it encoded", () => {
    const text = fc.string({ unit: "binary", maxLength: 200 });
    fc.assert(
      fc.property(text, (written) => {
        const tokens = tokenizer.encode(written, { addSpecial: false });
        expect(tokenizer.decode(tokens)).toBe(wellFormed(written));
      }),
      { seed: SEED, numRuns: 2000 },
    );
  });

  it("gives back random bytes token by token", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(tokenizer.vocabularySize - 1), { maxLength: 50 }), (tokens) => {
        const bytes = tokens.flatMap((token) => [...tokenizer.bytesOf(token)]);
        const text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(Uint8Array.from(bytes));
        expect(tokenizer.decode(tokens)).toBe(text);
      }),
      { seed: SEED },
    );
  });

  it("puts the beginning-of-sequence token first unless told not to", () => {
    expect(tokenizer.encode("")).toEqual([0]);
    expect(tokenizer.encode("", { addSpecial: false })).toEqual([]);
  });

  it("reads a control token's text as that token only when told to", () => {
    const text = "a<|endoftext|>b";
    expect(tokenizer.encode(text, { parseSpecial: true }).filter((t) => t === 0)).toHaveLength(2);
    expect(tokenizer.encode(text).filter((t) => t === 0)).toHaveLength(1);
    expect(tokenizer.decode([0], true)).toBe("<|endoftext|>");
    expect(tokenizer.decode([0], false)).toBe("");
  });

  it("refuses a token outside the vocabulary", () => {
    for (const token of [-1, tokenizer.vocabularySize, 0.5]) {
      expect(() => tokenizer.bytesOf(token)).toThrow(/is not a token/);
    }
  });

  it("takes a word of a million letters without quadratic time", () => {
    const startMs = performance.now();
    const tokens = tokenizer.encode("ab".repeat(500_000), { addSpecial: false });
    expect(performance.now() - startMs).toBeLessThan(20_000);
    expect(tokenizer.decode(tokens)).toBe("ab".repeat(500_000));
  });
});

/** The text with U+FFFD for every lone surrogate. */
function wellFormed(text: string): string {
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(new TextEncoder().encode(text));
}

describe("merging pairs", () => {
  it("equals repeatedly merging the best pair in a plain list", () => {
    const small = fc.array(fc.nat(3), { maxLength: 24 });
    const table = fc.array(fc.tuple(fc.nat(7), fc.nat(7)), { maxLength: 12 });
    fc.assert(
      fc.property(small, table, (symbols, pairs) => {
        const merges = new Map<string, { token: number; rank: number }>();
        pairs.forEach(([l, r], rank) => {
          if (!merges.has(`${l} ${r}`)) merges.set(`${l} ${r}`, { token: 4 + (rank % 4), rank });
        });
        const mergeOf = (l: number, r: number) => merges.get(`${l} ${r}`);
        expect(mergePairs(symbols, mergeOf)).toEqual(plainMerge(symbols, mergeOf));
      }),
      { seed: SEED, numRuns: 3000 },
    );
  });
});

/** The definition: scan for the pair of lowest rank, leftmost first; replace it; again. */
function plainMerge(
  symbols: readonly number[],
  mergeOf: (l: number, r: number) => { token: number; rank: number } | undefined,
): number[] {
  const list = [...symbols];
  for (;;) {
    let best: { at: number; rank: number; token: number } | undefined;
    for (let at = 0; at + 1 < list.length; at++) {
      const merge = mergeOf(list[at] ?? 0, list[at + 1] ?? 0);
      if (merge && (best === undefined || merge.rank < best.rank)) best = { at, ...merge };
    }
    if (best === undefined) return list;
    list.splice(best.at, 2, best.token);
  }
}
