import { describe, expect, it } from "vitest";
import * as ops from "../../src/ops/index.ts";
import { quantise } from "../../src/quantise.ts";
import { TENSOR_TYPE } from "../../src/tensor-types.ts";
import { countOf, forEachIndex, placeOf, type Shape } from "./reference.ts";
import { evaluate, expectClose, fromHalf, library, noise, SEEDS, Workbench } from "./workbench.ts";

const SHAPE: Shape = [6, 5, 4, 3];

describe("layout operations", () => {
  it.each([
    [[0, 1, 2, 3]],
    [[1, 0, 2, 3]],
    [[0, 2, 1, 3]],
    [[3, 1, 0, 2]],
    [[2, 3, 1, 0]],
  ] as unknown as [Shape][])("permute %j moves dimension i to axes[i]", (axes) => {
    for (const seed of SEEDS) {
      const x = noise(countOf(SHAPE), seed);
      const actual = evaluate((bench) =>
        ops.cont(bench.arena, ops.permute(bench.arena, bench.f32(SHAPE, x), axes)),
      );
      const shape = [0, 0, 0, 0] as [number, number, number, number];
      axes.forEach((axis, i) => {
        shape[axis] = SHAPE[i] ?? 1;
      });
      const expected = new Float32Array(x.length);
      forEachIndex(SHAPE, (index, place) => {
        const moved = [0, 0, 0, 0] as [number, number, number, number];
        axes.forEach((axis, i) => {
          moved[axis] = index[i] ?? 0;
        });
        expected[placeOf(shape, moved)] = x[place] ?? 0;
      });
      expect(actual).toEqual(expected);
    }
  });

  it("shows a strided part of a tensor, also through a view of a view", () => {
    const x = noise(countOf(SHAPE), 4);
    const actual = evaluate((bench) => {
      const { arena } = bench;
      const all = bench.f32(SHAPE, x);
      const plane = ops.view(arena, all, { shape: [6, 5], offsetBytes: 2 * 30 * 4 });
      const part = ops.view(arena, plane, { shape: [3, 2], strides: [2 * 24], offsetBytes: 28 });
      return ops.cont(arena, part);
    });
    const at = (column: number, row: number) => x[placeOf(SHAPE, [column, row, 2, 0])] ?? 0;
    const expected = [at(1, 1), at(2, 1), at(3, 1), at(1, 3), at(2, 3), at(3, 3)];
    expect(Array.from(actual)).toEqual(expected);
  });

  it("keeps the order of elements when it reshapes", () => {
    const x = noise(countOf(SHAPE), 5);
    const actual = evaluate((bench) => {
      const shaped = ops.reshape(bench.arena, bench.f32(SHAPE, x), [18, 20]);
      return ops.scale(bench.arena, shaped, 1);
    });
    expect(actual).toEqual(x);
  });

  it("copies with conversion to half precision and back", () => {
    for (const seed of SEEDS) {
      const x = noise(60, seed, 100);
      const bench = new Workbench();
      const half = bench.arena.tensor(TENSOR_TYPE.F16, [12, 5]);
      const copied = ops.cpy(bench.arena, bench.f32([12, 5], x), half);
      bench.compute(copied, 1);
      expectClose(Array.from(half.float16Bits(), fromHalf), x, 1e-3);
      bench.arena.close();
    }
  });

  it("copies rows into a quantised tensor exactly as the quantiser does", () => {
    const x = noise(128, 6);
    const bench = new Workbench();
    const target = bench.arena.tensor(TENSOR_TYPE.Q8_0, [64, 2]);
    bench.compute(ops.cpy(bench.arena, bench.f32([64, 2], x), target), 1);
    expect(target.read(new Uint8Array(target.sizeBytes))).toEqual(
      quantise(library, TENSOR_TYPE.Q8_0, x, 64),
    );
    bench.arena.close();
  });
});
