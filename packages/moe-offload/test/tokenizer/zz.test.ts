import { expect, it } from "vitest";
import { AMONG_ALL, differentBorders } from "./compare.ts";
import { codePoints } from "./texts.ts";

it.each("default refact qwen2 llama-bpe tekken deepseek-llm deepseek-coder falcon".split(" "))(
  "all points %s",
  (pre) => {
    expect(differentBorders("/tmp/tok/v.gguf", pre, codePoints(), AMONG_ALL)).toEqual([]);
  },
  100000,
);
