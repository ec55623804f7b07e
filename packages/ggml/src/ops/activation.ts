import type { Arena } from "../arena.ts";
import type { Tensor } from "../tensor.ts";
import { begin, finish, requireContiguous, requireShapes, requireType } from "./check.ts";

/** `x * sigmoid(x)`, F32 and contiguous. */
export function silu(arena: Arena, x: Tensor): Tensor {
  begin("silu", arena, [x]);
  requireType("silu", x, "F32");
  requireContiguous("silu", x);
  const pointer = arena.library.native.ggml_silu(arena.pointer, x.pointer);
  return finish(arena, pointer, { operation: "silu", type: x.type, shape: x.shape, sources: [x] });
}

/** `1 / (1 + exp(-x))`, F32 and contiguous. */
export function sigmoid(arena: Arena, x: Tensor): Tensor {
  begin("sigmoid", arena, [x]);
  requireType("sigmoid", x, "F32");
  requireContiguous("sigmoid", x);
  const pointer = arena.library.native.ggml_sigmoid(arena.pointer, x.pointer);
  return finish(arena, pointer, {
    operation: "sigmoid",
    type: x.type,
    shape: x.shape,
    sources: [x],
  });
}

/** `silu(gate) * up`, F32, both contiguous and of one shape. */
export function swigluSplit(arena: Arena, gate: Tensor, up: Tensor): Tensor {
  begin("swigluSplit", arena, [gate, up]);
  for (const tensor of [gate, up]) {
    requireType("swigluSplit", tensor, "F32");
    requireContiguous("swigluSplit", tensor);
  }
  requireShapes(
    "swigluSplit",
    gate.shape.every((count, index) => count === up.shape[index]),
    gate,
    up,
    "the same shape",
  );
  const { native } = arena.library;
  const pointer = native.ggml_swiglu_split(arena.pointer, gate.pointer, up.pointer);
  return finish(arena, pointer, {
    operation: "swigluSplit",
    type: gate.type,
    shape: gate.shape,
    sources: [gate, up],
  });
}
