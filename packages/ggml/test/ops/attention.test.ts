import { describe, it } from "vitest";
import * as ops from "../../src/ops/index.ts";
import { TENSOR_TYPE } from "../../src/tensor-types.ts";
import { attention, rope } from "./reference.ts";
import { evaluate, expectClose, noise, SEEDS, toHalf } from "./workbench.ts";

describe.each([
  { size: 64, heads: 4, tokens: 1, dimensions: 64 },
  { size: 32, heads: 3, tokens: 7, dimensions: 32 },
  { size: 48, heads: 2, tokens: 5, dimensions: 16 },
])("rope of %j", ({ size, heads, tokens, dimensions }) => {
  it.each([
    { name: "halves", mode: ops.ROPE_MODE.NEOX, isNeox: true },
    { name: "neighbours", mode: ops.ROPE_MODE.NORMAL, isNeox: false },
  ])("turns $name by position", ({ mode, isNeox }) => {
    for (const seed of SEEDS) {
      const x = noise(size * heads * tokens, seed);
      const positions = Int32Array.from({ length: tokens }, (_, i) => i * 13 + seed);
      for (const factors of [[], noise(dimensions / 2, seed).map((value) => value + 3)]) {
        const expected = rope(x, [size, heads, tokens], positions, {
          dimensions,
          isNeox,
          base: 10_000,
          scale: 0.5,
          factors,
        });
        for (const operation of [ops.rope, ops.ropeInPlace]) {
          const actual = evaluate((bench) =>
            operation(
              bench.arena,
              bench.f32([size, heads, tokens], x),
              bench.i32([tokens], positions),
              {
                dimensions,
                mode,
                frequencyBase: 10_000,
                frequencyScale: 0.5,
                ...(factors.length > 0 && {
                  frequencyFactors: bench.f32([dimensions / 2], Float32Array.from(factors)),
                }),
              },
            ),
          );
          expectClose(actual, expected, 1e-4);
        }
      }
    }
  });
});

describe.each([
  { size: 64, tokens: 1, heads: 4, length: 1, kvHeads: 4 },
  { size: 64, tokens: 1, heads: 4, length: 37, kvHeads: 4 },
  { size: 32, tokens: 9, heads: 6, length: 20, kvHeads: 2 },
  { size: 64, tokens: 70, heads: 2, length: 70, kvHeads: 1 },
])("flashAttention of %j", (sizes) => {
  const { size, tokens, heads, length, kvHeads } = sizes;
  const scale = 1 / Math.sqrt(size);
  const inputs = (seed: number) => ({
    q: noise(size * tokens * heads, seed),
    // Values that half precision holds exactly, so that only the arithmetic differs.
    k: noise(size * length * kvHeads, seed + 1).map((value) => Math.round(value * 256) / 256),
    v: noise(size * length * kvHeads, seed + 2).map((value) => Math.round(value * 256) / 256),
  });

  it("equals the naive softmax attention without a mask", () => {
    for (const seed of SEEDS) {
      const { q, k, v } = inputs(seed);
      const actual = evaluate((bench) =>
        ops.flashAttention(bench.arena, {
          q: bench.f32([size, tokens, heads], q),
          k: bench.input(TENSOR_TYPE.F16, [size, length, kvHeads], Uint16Array.from(k, toHalf)),
          v: bench.input(TENSOR_TYPE.F16, [size, length, kvHeads], Uint16Array.from(v, toHalf)),
          scale,
        }),
      );
      expectClose(
        actual,
        attention(q, k, v, sizes, () => 0, scale),
        5e-3,
      );
    }
  });

  it("sees only what a causal mask allows", () => {
    const rows = ops.paddedMaskRows(tokens);
    const isHidden = (key: number, token: number) => key > length - tokens + token;
    const mask = new Uint16Array(length * rows).map((_, i) =>
      isHidden(i % length, Math.floor(i / length)) ? 0xfc00 : 0,
    );
    for (const seed of SEEDS) {
      const { q, k, v } = inputs(seed);
      const actual = evaluate((bench) =>
        ops.flashAttention(bench.arena, {
          q: bench.f32([size, tokens, heads], q),
          k: bench.input(TENSOR_TYPE.F16, [size, length, kvHeads], Uint16Array.from(k, toHalf)),
          v: bench.input(TENSOR_TYPE.F16, [size, length, kvHeads], Uint16Array.from(v, toHalf)),
          mask: bench.input(TENSOR_TYPE.F16, [length, rows], mask),
          scale,
        }),
      );
      const hide = (key: number, token: number) =>
        isHidden(key, token) ? Number.NEGATIVE_INFINITY : 0;
      expectClose(actual, attention(q, k, v, sizes, hide, scale), 5e-3);
    }
  });
});
