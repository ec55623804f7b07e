import { GgmlLibrary, openGguf, ThreadPool } from "@fmlab/ggml";
import { createPrng } from "@fmlab/sim";
import { afterAll, describe, expect, it } from "vitest";
import type { MoeEngine } from "../../src/engine/engine.ts";
import { Tokenizer } from "../../src/tokenizer/tokenizer.ts";
import { SHIPPED_MODEL } from "../shipped-model.ts";
import { LlamaCpp } from "./llama-cpp.ts";
import { differenceMax, haveSameBits, openEngine } from "./open.ts";
import { PROMPTS } from "./prompts.ts";
import { argmax, sampleTokens } from "./sampled-text.ts";
import { lruSource } from "./sources.ts";

const ROWS = 500;

/** The logits of each of `tokens`, evaluated one by one. */
function rowsOf(llama: LlamaCpp, tokens: Int32Array): Float32Array[] {
  llama.reset();
  return Array.from(tokens, (token) => llama.evaluateOne(token).slice());
}

/** Rows of logits that differ in any bit when the engine evaluates the same `tokens` one by one. */
function rowsThatDiffer(
  engine: MoeEngine,
  expected: readonly Float32Array[],
  tokens: Int32Array,
): number[] {
  engine.reset();
  const different: number[] = [];
  expected.forEach((logits, row) => {
    if (!haveSameBits(engine.decode(tokens[row] ?? 0), logits)) different.push(row);
  });
  return different;
}

describe("against llama.cpp with flash attention on", () => {
  const engine = openEngine();
  const llama = new LlamaCpp(SHIPPED_MODEL, engine.vocabularySize, { threads: 1 });
  const text = sampleTokens(engine, createPrng(11, "text"), ROWS);
  const expected = rowsOf(llama, text);
  afterAll(() => {
    llama.close();
    engine.close();
  });

  it("gives the same bits in 500 rows of teacher-forced logits", () => {
    expect(expected).toHaveLength(ROWS);
    expect(new Set(text).size).toBeGreaterThan(100);
    expect(rowsThatDiffer(engine, expected, text)).toEqual([]);
  });

  it("gives the same bits when the graphs are split per layer", () => {
    engine.onLayer = () => {};
    expect(rowsThatDiffer(engine, expected, text)).toEqual([]);
    engine.onLayer = undefined;
  });

  it("gives the same bits with a quarter of the experts in memory", () => {
    const counts = { hits: 0, misses: 0 };
    const quarter = openEngine({ slotCount: 64 }, (file) => lruSource(file, counts));
    expect(rowsThatDiffer(quarter, expected, text)).toEqual([]);
    expect(counts.misses).toBeGreaterThan(1000);
    quarter.close();
  });

  it("gives the same bits at two threads with a shared pool", () => {
    const threadPool = new ThreadPool(GgmlLibrary.load(), { threads: 2, pollLevel: 1 });
    const two = openEngine({ threads: 2, threadPool });
    const peer = new LlamaCpp(SHIPPED_MODEL, two.vocabularySize, { threads: 2, threadPool });
    const few = text.subarray(0, 24);
    expect(rowsThatDiffer(two, rowsOf(peer, few), few)).toEqual([]);
    peer.close();
    two.close();
    threadPool.close();
  });

  it("can tell when logits differ: without flash attention llama.cpp gives other bits", () => {
    const plain = new LlamaCpp(SHIPPED_MODEL, engine.vocabularySize, {
      threads: 1,
      flashAttention: false,
    });
    const few = text.subarray(0, 20);
    expect(rowsThatDiffer(engine, rowsOf(plain, few), few).length).toBeGreaterThan(10);
    plain.close();
  });

  it("continues 10 prompts by the same 100 greedy tokens", () => {
    const file = openGguf(SHIPPED_MODEL);
    const tokenizer = new Tokenizer(file);
    file.close();
    const texts = PROMPTS.map((prompt) => {
      engine.reset();
      llama.reset();
      const tokens = tokenizer.encode(prompt);
      expect(tokens.length).toBeGreaterThan(8);
      let [ours, theirs] = [0, 0];
      for (const token of tokens) {
        ours = argmax(engine.decode(token));
        theirs = argmax(llama.evaluateOne(token));
      }
      const [own, peer]: [number[], number[]] = [[], []];
      for (let i = 0; i < 100; i++) {
        own.push(ours);
        peer.push(theirs);
        ours = argmax(engine.decode(ours));
        theirs = argmax(llama.evaluateOne(theirs));
      }
      expect(own).toEqual(peer);
      return own.join();
    });
    expect(new Set(texts).size).toBe(PROMPTS.length);
  });

  it.each([2, 3, 32, 63, 64, 65, 128, 480])(
    "evaluates a prompt of %i tokens within 1e-3",
    (count) => {
      engine.reset();
      llama.reset();
      const tokens = text.subarray(0, count);
      const ours = engine.prefill(tokens);
      expect(differenceMax(ours, llama.evaluate(tokens))).toBeLessThanOrEqual(1e-3);
      // What the prompt left in the cache must serve the next tokens as well.
      for (const token of [7, 1234, 99]) {
        const next = engine.decode(token);
        expect(differenceMax(next, llama.evaluateOne(token))).toBeLessThanOrEqual(1e-3);
      }
    },
  );

  it("evaluates a prompt in two batches as llama.cpp does in the same two", () => {
    engine.reset();
    llama.reset();
    engine.prefill(text.subarray(0, 100));
    llama.evaluate(text.subarray(0, 100));
    const ours = engine.prefill(text.subarray(100, 177));
    expect(differenceMax(ours, llama.evaluate(text.subarray(100, 177)))).toBeLessThanOrEqual(1e-3);
  });
});
