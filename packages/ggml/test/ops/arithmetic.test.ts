import { describe, expect, it } from "vitest";
import * as ops from "../../src/ops/index.ts";
import { binary, countOf, rowByRow, type Shape } from "./reference.ts";
import { evaluate, expectClose, noise, SEEDS } from "./workbench.ts";

const PAIRS: readonly [Shape, Shape][] = [
  [
    [7, 1, 1, 1],
    [7, 1, 1, 1],
  ],
  [
    [64, 3, 1, 1],
    [64, 1, 1, 1],
  ],
  [
    [16, 4, 5, 1],
    [1, 4, 5, 1],
  ],
  [
    [33, 6, 2, 3],
    [33, 3, 1, 3],
  ],
];

describe.each([
  { name: "add", operation: ops.add, combine: (x: number, y: number) => x + y },
  { name: "sub", operation: ops.sub, combine: (x: number, y: number) => x - y },
  { name: "mul", operation: ops.mul, combine: (x: number, y: number) => x * y },
  { name: "div", operation: ops.div, combine: (x: number, y: number) => x / y },
])("$name", ({ operation, combine }) => {
  it.each(PAIRS)("equals the reference for [%j] and [%j], repeating the second", (a, b) => {
    for (const seed of SEEDS) {
      const left = noise(countOf(a), seed);
      // Away from zero, so that quotients stay comparable.
      const right = noise(countOf(b), seed + 100).map((value) => value + 2);
      const actual = evaluate((bench) =>
        operation(bench.arena, bench.f32(a, left), bench.f32(b, right)),
      );
      expectClose(actual, binary(left, a, right, b, combine), 1e-6);
    }
  });
});

describe("scale, clampInPlace and sumRows", () => {
  const shape = [37, 5, 2, 1] as const;

  it("multiplies by a factor", () => {
    for (const seed of SEEDS) {
      const x = noise(countOf(shape), seed);
      const actual = evaluate((bench) => ops.scale(bench.arena, bench.f32(shape, x), -2.5));
      expectClose(
        actual,
        x.map((value) => value * -2.5),
      );
    }
  });

  it("limits values to a range", () => {
    for (const seed of SEEDS) {
      const x = noise(countOf(shape), seed);
      const actual = evaluate((bench) =>
        ops.clampInPlace(bench.arena, bench.f32(shape, x), -0.25, 0.5),
      );
      expect(actual).toEqual(x.map((value) => Math.min(0.5, Math.max(-0.25, value))));
    }
  });

  it("sums each row", () => {
    for (const seed of SEEDS) {
      const x = noise(countOf(shape), seed);
      const actual = evaluate((bench) => ops.sumRows(bench.arena, bench.f32(shape, x)));
      expectClose(
        actual,
        rowByRow(x, 37, (row) => [row.reduce((sum, value) => sum + value, 0)]),
      );
    }
  });
});
