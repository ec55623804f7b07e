import { describe, expect, it } from "vitest";
import * as ops from "../../src/ops/index.ts";
import { TENSOR_TYPE } from "../../src/tensor-types.ts";
import { countOf, rmsNorm, rowByRow, softMax } from "./reference.ts";
import { evaluate, expectClose, fromHalf, noise, SEEDS, toHalf } from "./workbench.ts";

describe.each([[[5]], [[64, 7]], [[256, 3, 2]]])("normalising rows of shape %j", (shape) => {
  const count = countOf(shape);
  const columns = shape[0] ?? 1;

  it("divides by the root mean square", () => {
    for (const seed of SEEDS) {
      const x = noise(count, seed, 3);
      const actual = evaluate((bench) => ops.rmsNorm(bench.arena, bench.f32(shape, x), 1e-6));
      expectClose(
        actual,
        rowByRow(x, columns, (row) => rmsNorm(row, 1e-6)),
      );
    }
  });

  it("takes the softmax, also of large numbers", () => {
    for (const seed of SEEDS) {
      const x = noise(count, seed, 200);
      const actual = evaluate((bench) => ops.softMax(bench.arena, bench.f32(shape, x)));
      expectClose(actual, rowByRow(x, columns, softMax));
    }
  });

  it("adds a half-precision mask before the softmax", () => {
    for (const seed of SEEDS) {
      const x = noise(count, seed, 4);
      const rows = shape[1] ?? 1;
      const mask = Uint16Array.from(noise(columns * rows, seed + 9), (value, i) =>
        i % 3 === 1 ? 0xfc00 : toHalf(value),
      );
      const actual = evaluate((bench) =>
        ops.softMaxMasked(
          bench.arena,
          bench.f32(shape, x),
          bench.input(TENSOR_TYPE.F16, [columns, rows], mask),
          0.5,
        ),
      );
      const expected = rowByRow(x, columns, (row, index) =>
        softMax(row.map((v, i) => v * 0.5 + fromHalf(mask[(index % rows) * columns + i] ?? 0))),
      );
      expectClose(actual, expected);
      expect(actual[1]).toBe(0);
    }
  });
});
