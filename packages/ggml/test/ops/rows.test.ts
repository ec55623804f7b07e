import { describe, expect, it } from "vitest";
import * as ops from "../../src/ops/index.ts";
import { quantise } from "../../src/quantise.ts";
import { TENSOR_TYPE } from "../../src/tensor-types.ts";
import { dequantiseQ8, rowByRow } from "./reference.ts";
import {
  evaluate,
  expectClose,
  fromHalf,
  indices,
  library,
  noise,
  SEEDS,
  Workbench,
} from "./workbench.ts";

describe("getRows", () => {
  it.each([
    [8, 5, 3],
    [64, 100, 17],
  ])("picks rows of a float table with %i columns, %i rows: %i ids", (columns, rows, count) => {
    for (const seed of SEEDS) {
      const table = noise(columns * rows, seed);
      const ids = indices(count, seed, rows);
      const actual = evaluate((bench) =>
        ops.getRows(bench.arena, bench.f32([columns, rows], table), bench.i32([count], ids)),
      );
      const expected = Array.from(ids, (id) =>
        Array.from(table.subarray(id * columns, (id + 1) * columns)),
      ).flat();
      expect(Array.from(actual)).toEqual(expected);
    }
  });

  it("expands rows of a quantised table", () => {
    for (const seed of SEEDS) {
      const bytes = quantise(library, TENSOR_TYPE.Q8_0, noise(64 * 9, seed), 64);
      const whole = dequantiseQ8(bytes, fromHalf);
      const ids = indices(4, seed, 9);
      const actual = evaluate((bench) => {
        const table = bench.input(TENSOR_TYPE.Q8_0, [64, 9], bytes);
        return ops.getRows(bench.arena, table, bench.i32([4], ids));
      });
      const expected = Array.from(ids, (id) =>
        Array.from(whole.subarray(id * 64, (id + 1) * 64)),
      ).flat();
      expectClose(actual, expected, 1e-7);
    }
  });

  it("picks weights by token from a table per token, as a router does", () => {
    const table = noise(6 * 4, 3);
    const ids = Int32Array.from([5, 0, 1, 1, 4, 2, 3, 3]);
    const actual = evaluate((bench) =>
      ops.getRows(bench.arena, bench.f32([1, 6, 4], table), bench.i32([2, 4], ids)),
    );
    const expected = Array.from(ids, (id, i) => table[Math.floor(i / 2) * 6 + id]);
    expect(Array.from(actual)).toEqual(expected);
  });

  it("keeps integers, so that numbers can be mapped in a graph", () => {
    const bench = new Workbench();
    const map = bench.i32([1, 4], Int32Array.from([40, 10, 30, 20]));
    const result = ops.getRows(bench.arena, map, bench.i32([3], Int32Array.from([2, 0, 2])));
    bench.compute(result, 1);
    expect(Array.from(result.int32())).toEqual([30, 40, 30]);
    bench.arena.close();
  });
});

describe("setRows", () => {
  it.each(["I32", "I64"] as const)(
    "writes rows to places given as %s and leaves others",
    (type) => {
      const table = noise(8 * 6, 1);
      const rows = noise(8 * 2, 2);
      const bench = new Workbench();
      const target = bench.f32([8, 6], table);
      const ids =
        type === "I32"
          ? bench.i32([2], Int32Array.from([4, 1]))
          : bench.input(TENSOR_TYPE.I64, [2], BigInt64Array.from([4n, 1n]));
      bench.compute(ops.setRows(bench.arena, target, bench.f32([8, 2], rows), ids), 2);
      const expected = table.slice();
      expected.set(rows.subarray(0, 8), 32);
      expected.set(rows.subarray(8), 8);
      expect(target.float32()).toEqual(expected);
      bench.arena.close();
    },
  );

  it("converts rows to half precision on the way into a cache", () => {
    const rows = noise(32 * 3, 5, 10);
    const bench = new Workbench();
    const cache = bench.input(TENSOR_TYPE.F16, [32, 7], new Uint16Array(32 * 7));
    const ids = bench.input(TENSOR_TYPE.I64, [3], BigInt64Array.from([6n, 0n, 3n]));
    bench.compute(ops.setRows(bench.arena, cache, bench.f32([32, 3], rows), ids), 1);
    const stored = Array.from(cache.float16Bits(), fromHalf);
    expectClose(stored.slice(6 * 32, 7 * 32), rows.subarray(0, 32), 1e-3);
    expectClose(stored.slice(0, 32), rows.subarray(32, 64), 1e-3);
    expectClose(stored.slice(3 * 32, 4 * 32), rows.subarray(64), 1e-3);
    expect(stored.slice(32, 3 * 32).every((value) => value === 0)).toBe(true);
    bench.arena.close();
  });
});

describe("sorting", () => {
  it.each([
    [32, 1, 4],
    [60, 5, 6],
    [8, 3, 8],
  ])("names the largest of %i columns in %i rows: the first %i", (columns, rows, k) => {
    for (const seed of SEEDS) {
      const x = noise(columns * rows, seed);
      const bench = new Workbench();
      const top = ops.argsortTopK(bench.arena, bench.f32([columns, rows], x), k);
      const result = ops.cont(bench.arena, top);
      bench.compute(result, 2);
      const expected = rowByRow(x, columns, (row) =>
        row
          .map((value, column) => ({ value, column }))
          .sort((a, b) => b.value - a.value)
          .slice(0, k)
          .map(({ column }) => column),
      );
      expect(Array.from(result.int32())).toEqual(expected);
      bench.arena.close();
    }
  });
});
