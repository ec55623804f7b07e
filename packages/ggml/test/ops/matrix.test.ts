import { describe, it } from "vitest";
import * as ops from "../../src/ops/index.ts";
import { dequantise, quantise } from "../../src/quantise.ts";
import { TENSOR_TYPE } from "../../src/tensor-types.ts";
import { countOf, mulMat, type Shape } from "./reference.ts";
import { evaluate, expectClose, indices, library, noise, SEEDS, toHalf } from "./workbench.ts";

const PAIRS: readonly [Shape, Shape][] = [
  [
    [32, 7, 1, 1],
    [32, 1, 1, 1],
  ],
  [
    [64, 16, 1, 1],
    [64, 9, 1, 1],
  ],
  [
    [96, 5, 2, 1],
    [96, 3, 4, 2],
  ],
];

describe.each(PAIRS)("mulMat of %j with %j", (w, x) => {
  it("equals the naive product for F32 weights", () => {
    for (const seed of SEEDS) {
      const weight = noise(countOf(w), seed);
      const values = noise(countOf(x), seed + 10);
      const actual = evaluate((bench) =>
        ops.mulMat(bench.arena, bench.f32(w, weight), bench.f32(x, values)),
      );
      expectClose(actual, mulMat(weight, w, values, x));
    }
  });

  it("equals the naive product for F16 weights up to the rounding of the input", () => {
    for (const seed of SEEDS) {
      const weight = noise(countOf(w), seed);
      const values = noise(countOf(x), seed + 10);
      const actual = evaluate((bench) => {
        const half = bench.input(TENSOR_TYPE.F16, w, Uint16Array.from(weight, toHalf));
        return ops.mulMat(bench.arena, half, bench.f32(x, values));
      });
      expectClose(actual, mulMat(weight, w, values, x), 1e-2);
    }
  });

  it.each([
    ["Q8_0", 1e-3],
    ["Q4_0", 1e-3],
    // Beside the bytes ggml keeps each block's sum in half precision for this type.
    ["Q5_1", 5e-3],
  ] as const)(
    "equals the naive product for %s weights and an input rounded to bytes within %f",
    (name, tolerance) => {
      const type = TENSOR_TYPE[name];
      for (const seed of SEEDS) {
        const bytes = quantise(library, type, noise(countOf(w), seed), w[0]);
        const values = noise(countOf(x), seed + 10);
        const actual = evaluate((bench) =>
          ops.mulMat(bench.arena, bench.input(type, w, bytes), bench.f32(x, values)),
        );
        // ggml rounds the input to Q8 blocks before it multiplies; so does the reference.
        const rounded = dequantise(
          library,
          TENSOR_TYPE.Q8_0,
          quantise(library, TENSOR_TYPE.Q8_0, values, x[0]),
        );
        expectClose(actual, mulMat(dequantise(library, type, bytes), w, rounded, x), tolerance);
      }
    },
  );
});

describe("mulMatId", () => {
  it.each([
    { k: 32, m: 8, experts: 4, used: 2, tokens: 1, isShared: true },
    { k: 64, m: 12, experts: 9, used: 3, tokens: 5, isShared: true },
    { k: 64, m: 12, experts: 9, used: 3, tokens: 5, isShared: false },
    { k: 32, m: 5, experts: 64, used: 8, tokens: 40, isShared: false },
  ])("multiplies each token with the experts it names: %j", (sizes) => {
    const { k, m, experts, used, tokens, isShared } = sizes;
    for (const seed of SEEDS) {
      const weights = noise(k * m * experts, seed);
      const perToken = isShared ? 1 : used;
      const x = noise(k * perToken * tokens, seed + 20);
      const ids = indices(used * tokens, seed + 30, experts);
      const actual = evaluate((bench) =>
        ops.mulMatId(
          bench.arena,
          bench.f32([k, m, experts], weights),
          bench.f32([k, perToken, tokens], x),
          bench.i32([used, tokens], ids),
        ),
      );
      const expected = Array.from(ids, (id, i) => {
        const token = Math.floor(i / used);
        const column = isShared ? token : i;
        const matrix = weights.subarray(id * k * m, (id + 1) * k * m);
        const row = x.subarray(column * k, (column + 1) * k);
        return Array.from(mulMat(matrix, [k, m, 1, 1], row, [k, 1, 1, 1]));
      }).flat();
      expectClose(actual, expected);
    }
  });
});
