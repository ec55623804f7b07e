import { expect } from "vitest";
import { Arena } from "../../src/arena.ts";
import { GgmlLibrary, TENSOR_STRUCT } from "../../src/library.ts";
import type { Tensor, TensorData } from "../../src/tensor.ts";
import { TENSOR_TYPE } from "../../src/tensor-types.ts";

export const library = GgmlLibrary.load();

/** Seeds that every test of an operation runs with. */
export const SEEDS = [1, 2, 3] as const;

/** Numbers from -scale to scale that depend on the seed alone (mulberry32). */
export function noise(count: number, seed: number, scale = 1): Float32Array {
  let state = (seed * 0x9e3779b9) >>> 0;
  return Float32Array.from({ length: count }, () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return (((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 31 - 1) * scale;
  });
}

/** Whole numbers from 0 to limit - 1. */
export function indices(count: number, seed: number, limit: number): Int32Array {
  return Int32Array.from(noise(count, seed), (value) =>
    Math.min(limit - 1, Math.floor(((value + 1) / 2) * limit)),
  );
}

/** An arena with inputs; everything is freed when the test's function returns. */
export class Workbench {
  readonly arena = new Arena(library, { tensorCountMax: 64, graphNodeCountMax: 64 });
  readonly #inputs: { tensor: Tensor; data: TensorData }[] = [];

  /** A leaf that gets `data` before the graph is computed. */
  input(type: number, shape: readonly number[], data: TensorData): Tensor {
    const tensor = this.arena.tensor(type, shape);
    this.#inputs.push({ tensor, data });
    return tensor;
  }

  f32(shape: readonly number[], data: Float32Array): Tensor {
    return this.input(TENSOR_TYPE.F32, shape, data);
  }

  i32(shape: readonly number[], data: Int32Array): Tensor {
    return this.input(TENSOR_TYPE.I32, shape, data);
  }

  /** Computes `result` and every other tensor of `before`, in that order. */
  compute(result: Tensor, threads: number, before: readonly Tensor[] = []): void {
    for (const tensor of before) this.arena.graph.expand(tensor);
    this.arena.graph.expand(result);
    expectNativeLayout(this.arena.graph.tensors);
    this.arena.allocate(library.cpu);
    for (const { tensor, data } of this.#inputs) tensor.write(data);
    const backend = library.cpu.open();
    backend.setThreads(threads);
    backend.compute(this.arena.graph);
    backend.close();
  }
}

/** Evaluates an F32 result at one and at two threads, which must agree to the bit. */
export function evaluate(build: (bench: Workbench) => Tensor): Float32Array {
  const [one, two] = [1, 2].map((threads) => {
    const bench = new Workbench();
    try {
      const result = build(bench);
      bench.compute(result, threads);
      return result.read(new Float32Array(result.elements));
    } finally {
      bench.arena.close();
    }
  });
  expect(two).toEqual(one);
  return one ?? new Float32Array(0);
}

/** Shapes and strides are computed twice, here and by ggml: they must agree. */
function expectNativeLayout(tensors: Iterable<Tensor>): void {
  for (const tensor of tensors) {
    const read = (offset: number) =>
      [0, 1, 2, 3].map((i) => Number(library.foreign.int64At(tensor.pointer, offset + 8 * i)));
    expect({ of: String(tensor), shape: read(TENSOR_STRUCT.shape) }).toEqual({
      of: String(tensor),
      shape: [...tensor.shape],
    });
    expect({ of: String(tensor), strides: read(TENSOR_STRUCT.strides) }).toEqual({
      of: String(tensor),
      strides: [...tensor.strides],
    });
    expect(library.foreign.int32At(tensor.pointer, TENSOR_STRUCT.type)).toBe(tensor.type);
  }
}

/** Every element is within `tolerance` of the expected one, relative to numbers above 1. */
export function expectClose(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  tolerance = 1e-5,
): void {
  expect(actual.length).toBe(expected.length);
  let worst = { index: -1, error: 0, actual: 0, expected: 0 };
  for (let index = 0; index < expected.length; index++) {
    const a = actual[index] ?? Number.NaN;
    const e = expected[index] ?? Number.NaN;
    const error = Object.is(a, e) ? 0 : Math.abs(a - e) / Math.max(1, Math.abs(e));
    if (!(error <= worst.error)) worst = { index, error, actual: a, expected: e };
  }
  expect(worst.error, JSON.stringify(worst)).toBeLessThanOrEqual(tolerance);
}

/** Half-precision bits of a number, rounded to nearest even. */
export function toHalf(value: number): number {
  const [bits = 0] = new Uint32Array(Float32Array.of(value).buffer);
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = Math.abs(value);
  if (magnitude === 0) return sign;
  if (!Number.isFinite(value) || magnitude >= 65_520) return sign | 0x7c00;
  const exponent = Math.max(-14, Math.floor(Math.log2(magnitude)));
  const units = magnitude / 2 ** (exponent - 10);
  const floor = Math.floor(units);
  const rest = units - floor;
  const rounded = rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor;
  // A carry out of the mantissa raises the exponent by itself.
  return sign | (exponent === -14 && rounded < 1024 ? rounded : ((exponent + 14) << 10) + rounded);
}

/** The number that half-precision bits stand for. */
export function fromHalf(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >>> 10) & 31;
  const mantissa = half & 1023;
  if (exponent === 31) return mantissa ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  if (exponent === 0) return sign * mantissa * 2 ** -24;
  return sign * (1 + mantissa / 1024) * 2 ** (exponent - 15);
}
