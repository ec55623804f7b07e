import type { Arena } from "../arena.ts";
import { requireArgument, requireFinite } from "../errors.ts";
import type { Tensor } from "../tensor.ts";
import {
  begin,
  finish,
  requireContiguous,
  requireContiguousRows,
  requireShapes,
  requireType,
} from "./check.ts";

/** Divides each row by the root of its mean square: `x / sqrt(mean(x^2) + epsilon)`, F32. */
export function rmsNorm(arena: Arena, x: Tensor, epsilon: number): Tensor {
  begin("rmsNorm", arena, [x]);
  requireType("rmsNorm", x, "F32");
  requireContiguousRows("rmsNorm", x);
  requireFinite("rmsNorm", "epsilon", epsilon);
  requireArgument(epsilon >= 0, "rmsNorm", () => `epsilon is ${epsilon}; expected 0 or more`);
  const pointer = arena.library.native.ggml_rms_norm(arena.pointer, x.pointer, epsilon);
  return finish(arena, pointer, {
    operation: "rmsNorm",
    type: x.type,
    shape: x.shape,
    sources: [x],
  });
}

/** Softmax of each row, F32 and contiguous. */
export function softMax(arena: Arena, x: Tensor): Tensor {
  begin("softMax", arena, [x]);
  requireType("softMax", x, "F32");
  requireContiguous("softMax", x);
  const pointer = arena.library.native.ggml_soft_max(arena.pointer, x.pointer);
  return finish(arena, pointer, {
    operation: "softMax",
    type: x.type,
    shape: x.shape,
    sources: [x],
  });
}

/**
 * Softmax of `x * scale + mask`, row by row.
 *
 * @param x     `[columns, rows, heads, batches]`, F32, contiguous
 * @param mask  `[columns, >= rows, divides heads, divides batches]`, F16 or F32, contiguous
 */
export function softMaxMasked(arena: Arena, x: Tensor, mask: Tensor, scale: number): Tensor {
  begin("softMaxMasked", arena, [x, mask]);
  requireType("softMaxMasked", x, "F32");
  requireType("softMaxMasked", mask, "F32", "F16");
  requireContiguous("softMaxMasked", x);
  requireContiguous("softMaxMasked", mask);
  requireFinite("softMaxMasked", "scale", scale);
  requireShapes(
    "softMaxMasked",
    mask.shape[0] === x.shape[0] &&
      mask.shape[1] >= x.shape[1] &&
      x.shape[2] % mask.shape[2] === 0 &&
      x.shape[3] % mask.shape[3] === 0,
    x,
    mask,
    "a mask with the same columns, at least as many rows, and dividing dimensions 2 and 3",
  );
  const { native } = arena.library;
  const pointer = native.ggml_soft_max_ext(arena.pointer, x.pointer, mask.pointer, scale, 0);
  return finish(arena, pointer, {
    operation: "softMaxMasked",
    type: x.type,
    shape: x.shape,
    sources: [x, mask],
  });
}
