import { expect } from "vitest";
import { BYTE_TOKENS } from "../model/byte-tokenizer.ts";
import {
  decodeEngine,
  decodePrompt,
  decodeScattered,
  decodeWhole,
  differentRows,
  tokensOf,
  withFile,
} from "./every-way.ts";
import { LlamaCpp } from "./llama-cpp.ts";
import { differenceMax } from "./open.ts";
import { type RandomModel, randomModelFile } from "./random-model.ts";

/**
 * Compares a made-up model with llama.cpp: every token's logits to the bit, as one graph, with
 * experts in random groups, and from the engine with experts that arrive at random times; and a
 * prompt's within 1e-3.
 */
export function expectSameAsLlama(model: RandomModel): void {
  withFile(randomModelFile(model), (modelPath) => {
    const tokens = tokensOf(model);
    const llama = new LlamaCpp(modelPath, BYTE_TOKENS.length, {
      threads: 1,
      contextLength: model.context,
      repack: false,
    });
    const expected = tokens.map((token) => llama.evaluateOne(token).slice());
    // Noise, but numbers that differ: equal bits of nothing would prove nothing.
    expect(expected.every((row) => row.every(Number.isFinite))).toBe(true);
    expect(new Set(expected[0]).size).toBeGreaterThan(200);
    expect(differentRows(decodeWhole(modelPath, tokens), expected)).toEqual([]);
    expect(differentRows(decodeScattered(modelPath, model), expected)).toEqual([]);
    expect(differentRows(decodeEngine(modelPath, model), expected)).toEqual([]);
    llama.reset();
    const prompt = tokens.slice(0, 50);
    const logits = decodePrompt(modelPath, prompt);
    expect(differenceMax(logits, llama.evaluate(prompt))).toBeLessThanOrEqual(1e-3);
    llama.close();
  });
}
