import { afterAll, describe, expect, it } from "vitest";
import { Arena } from "../../src/arena.ts";
import { GgmlError } from "../../src/errors.ts";
import * as ops from "../../src/ops/index.ts";
import type { Tensor } from "../../src/tensor.ts";
import { TENSOR_TYPE } from "../../src/tensor-types.ts";
import { library } from "./workbench.ts";

const arena = new Arena(library, { tensorCountMax: 2_000, graphNodeCountMax: 64 });
afterAll(() => arena.close());

const { F32, F16, I32, I64, Q8_0, Q8_K } = TENSOR_TYPE;
const t = (type: number, ...shape: number[]): Tensor => arena.tensor(type, shape);
const turned = (...shape: number[]) => ops.permute(arena, t(F32, ...shape), [1, 0, 2, 3]);
const rope = { dimensions: 8, mode: ops.ROPE_MODE.NEOX, frequencyBase: 1e4 };

/** Calls that would abort the process inside ggml. */
const WRONG: readonly [string, () => unknown][] = [
  ["a tensor with no dimension", () => t(F32)],
  ["a tensor with a dimension of 0", () => t(F32, 4, 0)],
  ["a tensor with a negative dimension", () => t(F32, -1)],
  ["a tensor with a fractional dimension", () => t(F32, 1.5)],
  ["a tensor with NaN as dimension", () => t(F32, Number.NaN)],
  ["a tensor with five dimensions", () => t(F32, 1, 1, 1, 1, 1)],
  ["a tensor larger than memory can be addressed", () => t(F32, 2 ** 40, 2 ** 20)],
  ["a tensor of an unknown type", () => t(4, 32)],
  ["quantised rows that are no whole blocks", () => t(Q8_0, 33)],
  [
    "add with a second shape that does not divide the first",
    () => ops.add(arena, t(F32, 6), t(F32, 4)),
  ],
  ["add with a larger second tensor", () => ops.add(arena, t(F32, 4), t(F32, 4, 2))],
  ["mul of integers", () => ops.mul(arena, t(I32, 4), t(I32, 4))],
  ["div by half precision", () => ops.div(arena, t(F32, 4), t(F16, 4))],
  ["sub of transposed rows", () => ops.sub(arena, turned(4, 4), t(F32, 4, 4))],
  ["scale by infinity", () => ops.scale(arena, t(F32, 4), Number.POSITIVE_INFINITY)],
  ["scale of a transposed tensor", () => ops.scale(arena, turned(4, 3), 2)],
  ["clamp with a lower bound above the upper", () => ops.clampInPlace(arena, t(F32, 4), 1, 0)],
  ["sumRows of half precision", () => ops.sumRows(arena, t(F16, 4))],
  ["silu of a transposed tensor", () => ops.silu(arena, turned(4, 3))],
  ["sigmoid of integers", () => ops.sigmoid(arena, t(I32, 4))],
  ["swiglu of an odd number of columns", () => ops.swiglu(arena, t(F32, 5, 2))],
  ["swiglu of integers", () => ops.swiglu(arena, t(I32, 4))],
  ["swigluSplit of different shapes", () => ops.swigluSplit(arena, t(F32, 4), t(F32, 8))],
  ["swigluSplit of different types", () => ops.swigluSplit(arena, t(F32, 4), t(F16, 4))],
  ["rmsNorm with a negative epsilon", () => ops.rmsNorm(arena, t(F32, 4), -1)],
  ["rmsNorm of a quantised tensor", () => ops.rmsNorm(arena, t(Q8_0, 32), 1e-6)],
  ["softMax of a transposed tensor", () => ops.softMax(arena, turned(4, 3))],
  [
    "softMax of a mask with too few rows",
    () => ops.softMaxMasked(arena, t(F32, 4, 3), t(F16, 4, 2), 1),
  ],
  ["softMax with a mask of integers", () => ops.softMaxMasked(arena, t(F32, 4), t(I32, 4), 1)],
  ["a view beyond the end", () => ops.view(arena, t(F32, 8), { shape: [5], offsetBytes: 16 })],
  [
    "a view with strides beyond the end",
    () => ops.view(arena, t(F32, 8), { shape: [2, 2], strides: [28] }),
  ],
  [
    "a view with a negative offset",
    () => ops.view(arena, t(F32, 8), { shape: [4], offsetBytes: -4 }),
  ],
  ["a view between elements", () => ops.view(arena, t(F32, 8), { shape: [4], offsetBytes: 2 })],
  ["a view between blocks", () => ops.view(arena, t(Q8_0, 64), { shape: [32], offsetBytes: 4 })],
  [
    "a view with four strides",
    () => ops.view(arena, t(F32, 8), { shape: [4], strides: [16, 16, 16, 16] }),
  ],
  ["reshape to another number of elements", () => ops.reshape(arena, t(F32, 8), [3, 3])],
  ["reshape of a transposed tensor", () => ops.reshape(arena, turned(4, 3), [12])],
  ["permute with an axis twice", () => ops.permute(arena, t(F32, 4), [0, 0, 2, 3])],
  ["permute with an axis of 4", () => ops.permute(arena, t(F32, 4), [0, 1, 2, 4])],
  [
    "cont of transposed blocks",
    () => ops.cont(arena, ops.permute(arena, t(Q8_0, 32, 4), [1, 0, 2, 3])),
  ],
  ["cpy of a different number of elements", () => ops.cpy(arena, t(F32, 4), t(F32, 5))],
  ["cpy of floats to integers", () => ops.cpy(arena, t(F32, 4), t(I32, 4))],
  [
    "cpy from one quantised type to another",
    () => ops.cpy(arena, t(Q8_0, 32), t(TENSOR_TYPE.Q4_0, 32)),
  ],
  ["getRows with floats as ids", () => ops.getRows(arena, t(F32, 4, 4), t(F32, 2))],
  ["getRows with a batch the table lacks", () => ops.getRows(arena, t(F32, 4, 4), t(I32, 2, 2))],
  ["getRows of a type that cannot be expanded", () => ops.getRows(arena, t(Q8_K, 256), t(I32, 1))],
  [
    "setRows of rows of another length",
    () => ops.setRows(arena, t(F16, 8, 4), t(F32, 4, 1), t(I64, 1)),
  ],
  [
    "setRows with more ids than rows",
    () => ops.setRows(arena, t(F16, 8, 4), t(F32, 8, 1), t(I64, 2)),
  ],
  ["setRows from half precision", () => ops.setRows(arena, t(F16, 8, 4), t(F16, 8, 1), t(I64, 1))],
  ["setRows into integers", () => ops.setRows(arena, t(I32, 8, 4), t(F32, 8, 1), t(I64, 1))],
  ["top 0", () => ops.argsortTopK(arena, t(F32, 8), 0)],
  ["top 9 of 8", () => ops.argsortTopK(arena, t(F32, 8), 9)],
  ["sorting integers", () => ops.argsortDescending(arena, t(I32, 8))],
  ["mulMat of rows of different length", () => ops.mulMat(arena, t(F32, 8, 2), t(F32, 4, 2))],
  [
    "mulMat with batches that do not repeat",
    () => ops.mulMat(arena, t(F32, 8, 2, 2), t(F32, 8, 2, 3)),
  ],
  ["mulMat with a transposed weight", () => ops.mulMat(arena, turned(4, 8), t(F32, 8))],
  ["mulMat with a quantised input", () => ops.mulMat(arena, t(F32, 32, 2), t(Q8_0, 32))],
  ["mulMat with an integer weight", () => ops.mulMat(arena, t(I32, 8, 2), t(F32, 8))],
  [
    "mulMat with a weight type that has no product",
    () => ops.mulMat(arena, t(Q8_K, 256, 2), t(F32, 256)),
  ],
  [
    "mulMatId with I64 ids",
    () => ops.mulMatId(arena, t(F32, 8, 2, 4), t(F32, 8, 1, 1), t(I64, 2, 1)),
  ],
  [
    "mulMatId with ids for another number of tokens",
    () => ops.mulMatId(arena, t(F32, 8, 2, 4), t(F32, 8, 1, 2), t(I32, 2, 3)),
  ],
  [
    "mulMatId with inputs that do not divide the experts used",
    () => ops.mulMatId(arena, t(F32, 8, 2, 4), t(F32, 8, 2, 1), t(I32, 3, 1)),
  ],
  [
    "mulMatId with rows of another length",
    () => ops.mulMatId(arena, t(F32, 8, 2, 4), t(F32, 4, 1, 1), t(I32, 2, 1)),
  ],
  [
    "rope with an odd number of dimensions",
    () => ops.rope(arena, t(F32, 8, 2, 3), t(I32, 3), { ...rope, dimensions: 7 }),
  ],
  [
    "rope of more dimensions than the head has",
    () => ops.rope(arena, t(F32, 8, 2, 3), t(I32, 3), { ...rope, dimensions: 10 }),
  ],
  ["rope with positions for other tokens", () => ops.rope(arena, t(F32, 8, 2, 3), t(I32, 2), rope)],
  ["rope with float positions", () => ops.rope(arena, t(F32, 8, 2, 3), t(F32, 3), rope)],
  [
    "rope with fewer frequency factors than pairs",
    () => ops.rope(arena, t(F32, 8, 2, 3), t(I32, 3), { ...rope, frequencyFactors: t(F32, 3) }),
  ],
  [
    "rope with frequency factors in whole numbers",
    () => ops.rope(arena, t(F32, 8, 2, 3), t(I32, 3), { ...rope, frequencyFactors: t(I32, 4) }),
  ],
  [
    "rope with a frequency base of 0",
    () => ops.ropeInPlace(arena, t(F32, 8, 2, 3), t(I32, 3), { ...rope, frequencyBase: 0 }),
  ],
  [
    "attention with keys of another size",
    () =>
      ops.flashAttention(arena, {
        q: t(F32, 64, 1, 4),
        k: t(F16, 32, 5, 4),
        v: t(F16, 32, 5, 4),
        scale: 1,
      }),
  ],
  [
    "attention with heads that cannot be grouped",
    () =>
      ops.flashAttention(arena, {
        q: t(F32, 64, 1, 4),
        k: t(F16, 64, 5, 3),
        v: t(F16, 64, 5, 3),
        scale: 1,
      }),
  ],
  [
    "attention with fewer values than keys",
    () =>
      ops.flashAttention(arena, {
        q: t(F32, 64, 1, 4),
        k: t(F16, 64, 5, 4),
        v: t(F16, 64, 4, 4),
        scale: 1,
      }),
  ],
  [
    "attention with a mask that is not padded to 64 rows",
    () =>
      ops.flashAttention(arena, {
        q: t(F32, 64, 3, 4),
        k: t(F16, 64, 5, 4),
        v: t(F16, 64, 5, 4),
        mask: t(F16, 5, 3),
        scale: 1,
      }),
  ],
  [
    "attention with a half-precision query",
    () =>
      ops.flashAttention(arena, {
        q: t(F16, 64, 1, 4),
        k: t(F16, 64, 5, 4),
        v: t(F16, 64, 5, 4),
        scale: 1,
      }),
  ],
];

describe("wrong arguments", () => {
  it.each(WRONG)("are refused before ggml sees them: %s", (_, call) => {
    let error: unknown;
    try {
      call();
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(GgmlError);
    expect((error as GgmlError).code).toBe("INVALID_ARGUMENT");
    // The text names both what came and what was expected.
    expect((error as GgmlError).message.length).toBeGreaterThan(20);
  });

  it("leave the process alive and the arena usable", () => {
    expect(ops.add(arena, t(F32, 4), t(F32, 4)).shape).toEqual([4, 1, 1, 1]);
  });
});
