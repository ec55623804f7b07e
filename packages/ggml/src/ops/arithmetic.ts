import type { Arena } from "../arena.ts";
import { requireArgument, requireFinite } from "../errors.ts";
import type { Native } from "../native.ts";
import type { Tensor } from "../tensor.ts";
import {
  begin,
  finish,
  requireContiguous,
  requireContiguousRows,
  requireShapes,
  requireType,
} from "./check.ts";

type BinaryFunction = "ggml_add" | "ggml_sub" | "ggml_mul" | "ggml_div";

function binary(name: string, call: BinaryFunction, arena: Arena, a: Tensor, b: Tensor): Tensor {
  begin(name, arena, [a, b]);
  for (const tensor of [a, b]) {
    requireType(name, tensor, "F32");
    requireContiguousRows(name, tensor);
  }
  requireShapes(
    name,
    a.shape.every((count, index) => count % (b.shape[index] ?? 1) === 0),
    a,
    b,
    "each dimension of the second to divide that of the first",
  );
  const native: Native = arena.library.native;
  const pointer = native[call](arena.pointer, a.pointer, b.pointer);
  return finish(arena, pointer, { operation: name, type: a.type, shape: a.shape, sources: [a, b] });
}

/** `a + b`, F32; `b` is repeated along every dimension in which `a` is a multiple of it. */
export function add(arena: Arena, a: Tensor, b: Tensor): Tensor {
  return binary("add", "ggml_add", arena, a, b);
}

/** `a - b`; repeats like {@link add}. */
export function sub(arena: Arena, a: Tensor, b: Tensor): Tensor {
  return binary("sub", "ggml_sub", arena, a, b);
}

/** `a * b`, element by element; repeats like {@link add}. */
export function mul(arena: Arena, a: Tensor, b: Tensor): Tensor {
  return binary("mul", "ggml_mul", arena, a, b);
}

/** `a / b`, element by element; repeats like {@link add}. */
export function div(arena: Arena, a: Tensor, b: Tensor): Tensor {
  return binary("div", "ggml_div", arena, a, b);
}

/** `a * factor`, F32 and contiguous. */
export function scale(arena: Arena, a: Tensor, factor: number): Tensor {
  begin("scale", arena, [a]);
  requireType("scale", a, "F32");
  requireContiguous("scale", a);
  requireFinite("scale", "factor", factor);
  const pointer = arena.library.native.ggml_scale(arena.pointer, a.pointer, factor);
  return finish(arena, pointer, { operation: "scale", type: a.type, shape: a.shape, sources: [a] });
}

/** Limits every element of `a` to `low..high`, in place: the result is a view of `a`. */
export function clampInPlace(arena: Arena, a: Tensor, low: number, high: number): Tensor {
  begin("clampInPlace", arena, [a]);
  requireType("clampInPlace", a, "F32");
  requireContiguousRows("clampInPlace", a);
  requireArgument(low <= high, "clampInPlace", () => `low ${low} is above high ${high}`);
  const pointer = arena.library.native.ggml_clamp(arena.pointer, a.pointer, low, high);
  a.root.isWrittenByOperation = true;
  return finish(arena, pointer, {
    operation: "clampInPlace",
    type: a.type,
    shape: a.shape,
    strides: a.strides,
    sources: [a],
    viewOf: { tensor: a, offsetBytes: 0 },
  });
}

/** The sum of each row, shape `[1, ...]`, F32. */
export function sumRows(arena: Arena, a: Tensor): Tensor {
  begin("sumRows", arena, [a]);
  requireType("sumRows", a, "F32");
  requireContiguousRows("sumRows", a);
  const pointer = arena.library.native.ggml_sum_rows(arena.pointer, a.pointer);
  const shape = [1, a.shape[1], a.shape[2], a.shape[3]] as const;
  return finish(arena, pointer, { operation: "sumRows", type: a.type, shape, sources: [a] });
}
