import type { Arena } from "../arena.ts";
import { requireArgument } from "../errors.ts";
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

/**
 * `silu(gate) * up` of rows that hold both, the gate in the first half: `[2 n, ...]` to `[n, ...]`,
 * F32 and contiguous.
 */
export function swiglu(arena: Arena, gateAndUp: Tensor): Tensor {
  begin("swiglu", arena, [gateAndUp]);
  requireType("swiglu", gateAndUp, "F32");
  requireContiguous("swiglu", gateAndUp);
  const [columns, ne1, ne2, ne3] = gateAndUp.shape;
  requireArgument(columns % 2 === 0, "swiglu", () => `${gateAndUp} has an odd number of columns`);
  const pointer = arena.library.native.ggml_swiglu(arena.pointer, gateAndUp.pointer);
  return finish(arena, pointer, {
    operation: "swiglu",
    type: gateAndUp.type,
    shape: [columns / 2, ne1, ne2, ne3],
    sources: [gateAndUp],
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
