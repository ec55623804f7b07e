import { describe, it } from "vitest";
import * as ops from "../../src/ops/index.ts";
import { countOf, rowByRow, sigmoid, silu } from "./reference.ts";
import { evaluate, expectClose, noise, SEEDS } from "./workbench.ts";

describe.each([[[1]], [[31, 3]], [[128, 4, 2]]])("activations of shape %j", (shape) => {
  const count = countOf(shape);

  it("compute x * sigmoid(x)", () => {
    for (const seed of SEEDS) {
      const x = noise(count, seed, 8);
      const actual = evaluate((bench) => ops.silu(bench.arena, bench.f32(shape, x)));
      expectClose(actual, Array.from(x, silu));
    }
  });

  it("compute the logistic function", () => {
    for (const seed of SEEDS) {
      const x = noise(count, seed, 20);
      const actual = evaluate((bench) => ops.sigmoid(bench.arena, bench.f32(shape, x)));
      expectClose(actual, Array.from(x, sigmoid));
    }
  });

  it("compute silu(gate) * up", () => {
    for (const seed of SEEDS) {
      const gate = noise(count, seed, 6);
      const up = noise(count, seed + 50, 3);
      const actual = evaluate((bench) =>
        ops.swigluSplit(bench.arena, bench.f32(shape, gate), bench.f32(shape, up)),
      );
      expectClose(
        actual,
        Array.from(gate, (value, i) => silu(value) * (up[i] ?? 0)),
      );
    }
  });

  it("compute silu(gate) * up of rows that hold both", () => {
    for (const seed of SEEDS) {
      const both = noise(count * 2, seed, 6);
      const actual = evaluate((bench) =>
        ops.swiglu(bench.arena, bench.f32([2 * (shape[0] ?? 1), ...shape.slice(1)], both)),
      );
      const expected = rowByRow(both, 2 * (shape[0] ?? 1), (row) =>
        row.slice(0, row.length / 2).map((gate, i) => silu(gate) * (row[row.length / 2 + i] ?? 0)),
      );
      expectClose(actual, expected);
    }
  });
});
