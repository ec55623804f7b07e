import type { Arena } from "../arena.ts";
import { requireArgument } from "../errors.ts";
import type { Tensor } from "../tensor.ts";
import { TENSOR_TYPE } from "../tensor-types.ts";
import {
  begin,
  finish,
  requireContiguousRows,
  requireShapes,
  requireType,
  WEIGHT_TYPES,
} from "./check.ts";

function requireWeight(operation: string, weight: Tensor): void {
  requireType(operation, weight, ...WEIGHT_TYPES);
  requireContiguousRows(operation, weight);
  requireArgument(
    weight.strides[0] <= weight.strides[1] || weight.shape[1] === 1,
    operation,
    () => `${weight} is transposed; use cont`,
  );
}

/**
 * Matrix product: every row of `weight` with every row of `x`.
 *
 * @param weight  `[k, m, n2, n3]`, float or quantised
 * @param x       `[k, n, multiple of n2, multiple of n3]`, F32 (F16 with an F16 weight)
 * @returns `[m, n, x.n2, x.n3]`, F32
 */
export function mulMat(arena: Arena, weight: Tensor, x: Tensor): Tensor {
  begin("mulMat", arena, [weight, x]);
  requireWeight("mulMat", weight);
  requireType("mulMat", x, "F32", ...(weight.type === TENSOR_TYPE.F16 ? (["F16"] as const) : []));
  requireContiguousRows("mulMat", x);
  requireShapes(
    "mulMat",
    weight.shape[0] === x.shape[0] &&
      x.shape[2] % weight.shape[2] === 0 &&
      x.shape[3] % weight.shape[3] === 0,
    weight,
    x,
    "rows of the same length, and dimensions 2 and 3 that are multiples",
  );
  const pointer = arena.library.native.ggml_mul_mat(arena.pointer, weight.pointer, x.pointer);
  return finish(arena, pointer, {
    operation: "mulMat",
    type: TENSOR_TYPE.F32,
    shape: [weight.shape[1], x.shape[1], x.shape[2], x.shape[3]],
    sources: [weight, x],
  });
}

/**
 * Matrix products with matrices chosen per token: the experts of a mixture.
 *
 * @param experts  `[k, m, expertCount]`, float or quantised
 * @param x        `[k, 1 or a divisor of used, tokens]`, F32
 * @param ids      `[used, tokens]`, I32, each less than `expertCount`; rows may be strided
 * @returns `[m, used, tokens]`, F32
 */
export function mulMatId(arena: Arena, experts: Tensor, x: Tensor, ids: Tensor): Tensor {
  begin("mulMatId", arena, [experts, x, ids]);
  requireWeight("mulMatId", experts);
  requireType("mulMatId", x, "F32");
  requireType("mulMatId", ids, "I32");
  requireContiguousRows("mulMatId", x);
  requireContiguousRows("mulMatId", ids);
  requireShapes(
    "mulMatId",
    experts.shape[0] === x.shape[0] && experts.shape[3] === 1 && x.shape[3] === 1,
    experts,
    x,
    "rows of the same length, and no dimension 3",
  );
  requireShapes(
    "mulMatId",
    ids.shape[2] === 1 &&
      ids.shape[3] === 1 &&
      ids.shape[1] === x.shape[2] &&
      ids.shape[0] % x.shape[1] === 0,
    x,
    ids,
    "ids [used, tokens] for x [k, divisor of used, tokens]",
  );
  const { native } = arena.library;
  const pointer = native.ggml_mul_mat_id(arena.pointer, experts.pointer, x.pointer, ids.pointer);
  return finish(arena, pointer, {
    operation: "mulMatId",
    type: TENSOR_TYPE.F32,
    shape: [experts.shape[1], ids.shape[0], x.shape[2], 1],
    sources: [experts, x, ids],
    indexLimit: { ids, limit: experts.shape[2] },
  });
}
