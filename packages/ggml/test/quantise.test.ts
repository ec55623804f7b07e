import { describe, expect, it } from "vitest";
import { GgmlError } from "../src/errors.ts";
import { dequantise, hasFiniteBlocks, QUANTISABLE_TYPES, quantise } from "../src/quantise.ts";
import { rowSizeBytes, TENSOR_TYPE, type TensorTypeName } from "../src/tensor-types.ts";
import { dequantiseQ8 } from "./ops/reference.ts";
import { expectClose, fromHalf, library, noise, SEEDS, toHalf } from "./ops/workbench.ts";

const ROW = 256;

/**
 * Largest error of one value from -1 to 1 after a round trip. For the block types with b bits a
 * step is about 2 / (2^b - 1) wide and an error half a step; codebook types are coarser. The bounds
 * leave a margin of about half over what was measured, so that a wrong layout (errors of order 1)
 * fails.
 */
const ERROR_MAX: Partial<Record<TensorTypeName, number>> = {
  F32: 0,
  F16: 5e-4,
  BF16: 4e-3,
  Q8_0: 0.005,
  Q6_K: 0.05,
  Q5_K: 0.06,
  Q5_1: 0.05,
  Q5_0: 0.07,
  Q4_K: 0.12,
  Q4_1: 0.1,
  Q4_0: 0.14,
  IQ4_NL: 0.2,
  IQ4_XS: 0.2,
  MXFP4: 0.36,
  Q3_K: 0.3,
  Q2_K: 0.5,
  IQ3_S: 0.6,
  IQ3_XXS: 0.55,
  TQ2_0: 0.55,
  TQ1_0: 0.55,
};

describe("quantise and dequantise", () => {
  it.each(Object.entries(ERROR_MAX))("%s keeps values from -1 to 1 within %f", (name, bound) => {
    const type = TENSOR_TYPE[name as TensorTypeName];
    for (const seed of SEEDS) {
      const values = noise(ROW * 4, seed);
      const bytes = quantise(library, type, values, ROW);
      expect(bytes.length).toBe(4 * rowSizeBytes(type, ROW));
      const back = dequantise(library, type, bytes);
      const errors = back.map((value, i) => Math.abs(value - (values[i] ?? 0)));
      expect(Math.max(...errors)).toBeLessThanOrEqual(bound);
      // Not by giving zeros back: what is kept must resemble the input.
      const dot = (a: Float32Array, b: Float32Array) =>
        a.reduce((sum, value, i) => sum + value * (b[i] ?? 0), 0);
      const cosine = dot(back, values) / Math.sqrt(dot(back, back) * dot(values, values));
      expect(cosine).toBeGreaterThan(0.8);
    }
  });

  it("expands Q8_0 exactly as its definition says", () => {
    for (const seed of SEEDS) {
      const bytes = quantise(library, TENSOR_TYPE.Q8_0, noise(ROW * 3, seed, 50), ROW);
      expectClose(
        dequantise(library, TENSOR_TYPE.Q8_0, bytes),
        dequantiseQ8(bytes, fromHalf),
        1e-7,
      );
    }
  });

  it("rounds to half precision as the reference does", () => {
    const values = noise(ROW, 7, 1000);
    const bytes = quantise(library, TENSOR_TYPE.F16, values, ROW);
    expect(new Uint16Array(bytes.buffer)).toEqual(Uint16Array.from(values, toHalf));
  });

  it("quantises each row by itself", () => {
    const values = noise(ROW * 2, 3);
    const whole = quantise(library, TENSOR_TYPE.Q4_K, values, ROW);
    const second = quantise(library, TENSOR_TYPE.Q4_K, values.slice(ROW), ROW);
    expect(whole.subarray(whole.length / 2)).toEqual(second);
  });

  it.each(["IQ2_XXS", "IQ2_XS", "IQ1_S"] as const)(
    "%s asks for the importance of columns",
    (name) => {
      const values = noise(ROW, 1);
      expect(() => quantise(library, TENSOR_TYPE[name], values, ROW)).toThrow(/importance/);
    },
  );

  // The other such types take seconds to build their tables.
  it("IQ2_XXS can be written with the importance of columns", () => {
    const type = TENSOR_TYPE.IQ2_XXS;
    const importance = new Float32Array(ROW).fill(1);
    const bytes = quantise(library, type, noise(ROW, 1), ROW, importance);
    expect(bytes.length).toBe(rowSizeBytes(type, ROW));
  });

  it("refuses what ggml would abort on", () => {
    const values = noise(ROW, 1);
    const bad: (() => unknown)[] = [
      () => quantise(library, 4, values, ROW),
      () => quantise(library, TENSOR_TYPE.I32, values, ROW),
      () => quantise(library, TENSOR_TYPE.Q8_K, values, ROW),
      () => quantise(library, TENSOR_TYPE.Q4_K, values, 32),
      () => quantise(library, TENSOR_TYPE.Q8_0, values, 100),
      () => quantise(library, TENSOR_TYPE.Q8_0, new Float32Array(0), 32),
      () =>
        quantise(
          library,
          TENSOR_TYPE.Q8_0,
          values.map(() => Number.NaN),
          ROW,
        ),
      () =>
        quantise(
          library,
          TENSOR_TYPE.IQ3_S,
          values.map(() => Number.POSITIVE_INFINITY),
          ROW,
        ),
      () => quantise(library, TENSOR_TYPE.Q4_K, values, ROW, new Float32Array(3)),
      () => dequantise(library, TENSOR_TYPE.Q8_0, new Uint8Array(33)),
      () => dequantise(library, TENSOR_TYPE.Q8_0, new Uint8Array(0)),
      () => dequantise(library, TENSOR_TYPE.I64, new Uint8Array(8)),
    ];
    for (const call of bad) expect(call).toThrow(GgmlError);
  });

  it("finds scales that are not finite", () => {
    const bytes = quantise(library, TENSOR_TYPE.Q8_0, noise(ROW, 1), ROW);
    expect(hasFiniteBlocks(library, TENSOR_TYPE.Q8_0, bytes)).toBe(true);
    bytes.set([0x00, 0x7e], 34);
    expect(hasFiniteBlocks(library, TENSOR_TYPE.Q8_0, bytes)).toBe(false);
    expect(hasFiniteBlocks(library, TENSOR_TYPE.Q8_0, bytes.subarray(1))).toBe(false);
  });

  it("has a bound here for every type that needs no importance", () => {
    // IQ2_S works alike, but its table takes four seconds to build.
    const covered = new Set([...Object.keys(ERROR_MAX), "IQ2_S", "IQ2_XXS", "IQ2_XS", "IQ1_S"]);
    expect(QUANTISABLE_TYPES.filter((name) => !covered.has(name))).toEqual([]);
  });
});
