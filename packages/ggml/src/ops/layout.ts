import type { Arena } from "../arena.ts";
import { invalidArgument, requireArgument, requireInteger } from "../errors.ts";
import { contiguousStrides, type Tensor, type TensorShape, tensorShape } from "../tensor.ts";
import { TENSOR_TYPE, tensorTypeInfo } from "../tensor-types.ts";
import { begin, finish, requireContiguous, requireShapes, WRITABLE_TYPES } from "./check.ts";

/** Which part of a tensor a view shows. */
export interface ViewOptions {
  /** 1 to 4 dimensions, the contiguous one first. */
  readonly shape: readonly number[];
  /** Byte strides of dimensions 1, 2 and 3; those left out are dense over the ones before. */
  readonly strides?: readonly number[];
  /** Where the view begins in the tensor, in bytes; default 0. */
  readonly offsetBytes?: number;
}

/** A part of a tensor under another shape, sharing its memory. */
export function view(arena: Arena, a: Tensor, options: ViewOptions): Tensor {
  begin("view", arena, [a]);
  const shape = tensorShape("view", options.shape);
  const offsetBytes = options.offsetBytes ?? 0;
  const strides = viewStrides(a.type, shape, options.strides ?? []);
  const { blockBytes, blockElements, name } = tensorTypeInfo(a.type);
  requireInteger("view", "offsetBytes", offsetBytes, 0, Number.MAX_SAFE_INTEGER);
  requireArgument(
    offsetBytes % blockBytes === 0 && strides.every((stride) => stride % blockBytes === 0),
    "view",
    () => `offset and strides must be multiples of the ${blockBytes} bytes of one ${name} block`,
  );
  const row = (shape[0] / blockElements) * blockBytes;
  const end = shape
    .slice(1)
    .reduce((sum, count, index) => sum + (count - 1) * (strides[index + 1] ?? 0), row);
  // ggml also asserts that a dense tensor of this shape would fit, whatever the strides are.
  const dense = row * shape[1] * shape[2] * shape[3];
  requireArgument(
    offsetBytes + Math.max(end, dense) <= a.sizeBytes,
    "view",
    () => `bytes up to ${offsetBytes + Math.max(end, dense)} of ${a}, which has ${a.sizeBytes}`,
  );
  const pointer = arena.library.native.ggml_view_4d(
    arena.pointer,
    a.pointer,
    ...shape,
    strides[1],
    strides[2],
    strides[3],
    offsetBytes,
  );
  return finish(arena, pointer, {
    operation: "view",
    type: a.type,
    shape,
    strides,
    sources: [a],
    viewOf: { tensor: a, offsetBytes },
  });
}

/** The same elements in the same order under another shape; `a` must be contiguous. */
export function reshape(arena: Arena, a: Tensor, newShape: readonly number[]): Tensor {
  begin("reshape", arena, [a]);
  requireContiguous("reshape", a);
  const shape = tensorShape("reshape", newShape);
  const elements = shape[0] * shape[1] * shape[2] * shape[3];
  requireArgument(
    elements === a.elements,
    "reshape",
    () => `[${shape.join(", ")}] has ${elements} elements, ${a} has ${a.elements}`,
  );
  const strides = contiguousStrides(a.type, shape);
  const pointer = arena.library.native.ggml_reshape_4d(arena.pointer, a.pointer, ...shape);
  return finish(arena, pointer, {
    operation: "reshape",
    type: a.type,
    shape,
    strides,
    sources: [a],
    viewOf: { tensor: a, offsetBytes: 0 },
  });
}

/** Dimension `i` of `a` becomes dimension `axes[i]`; nothing is copied. */
export function permute(arena: Arena, a: Tensor, axes: TensorShape): Tensor {
  begin("permute", arena, [a]);
  requireArgument(
    [0, 1, 2, 3].every((axis) => axes.includes(axis)),
    "permute",
    () => `axes [${axes.join(", ")}] are not an order of 0, 1, 2, 3`,
  );
  const shape: [number, number, number, number] = [1, 1, 1, 1];
  const strides: [number, number, number, number] = [0, 0, 0, 0];
  axes.forEach((axis, index) => {
    shape[axis] = a.shape[index] ?? 1;
    strides[axis] = a.strides[index] ?? 0;
  });
  const pointer = arena.library.native.ggml_permute(arena.pointer, a.pointer, ...axes);
  return finish(arena, pointer, {
    operation: "permute",
    type: a.type,
    shape,
    strides,
    sources: [a],
    viewOf: { tensor: a, offsetBytes: 0 },
  });
}

/** A contiguous copy of `a`. */
export function cont(arena: Arena, a: Tensor): Tensor {
  begin("cont", arena, [a]);
  requireArgument(
    !tensorTypeInfo(a.type).isQuantised || a.isContiguous,
    "cont",
    () => `${a} is quantised and not contiguous; its blocks cannot be rearranged`,
  );
  const pointer = arena.library.native.ggml_cont(arena.pointer, a.pointer);
  return finish(arena, pointer, { operation: "cont", type: a.type, shape: a.shape, sources: [a] });
}

/**
 * Copies `source` into the memory of `target`, converting between F32 and other float or quantised
 * types; the result is a view of `target`. Both have the same number of elements.
 */
export function cpy(arena: Arena, source: Tensor, target: Tensor): Tensor {
  begin("cpy", arena, [source, target]);
  requireShapes("cpy", source.elements === target.elements, source, target, "as many elements");
  requireConvertible(source, target);
  target.root.isWrittenByOperation = true;
  const { native } = arena.library;
  const pointer = native.ggml_cpy(arena.pointer, source.pointer, target.pointer);
  return finish(arena, pointer, {
    operation: "cpy",
    type: target.type,
    shape: target.shape,
    strides: target.strides,
    sources: [source, target],
    viewOf: { tensor: target, offsetBytes: 0 },
  });
}

function requireConvertible(source: Tensor, target: Tensor): void {
  const isFloat = (tensor: Tensor) =>
    [TENSOR_TYPE.F32, TENSOR_TYPE.F16, TENSOR_TYPE.BF16].some((type) => type === tensor.type);
  const isSimple = (tensor: Tensor) => !tensorTypeInfo(tensor.type).isQuantised;
  const isSame = source.type === target.type && isSimple(source);
  const isFloats = isFloat(source) && isFloat(target);
  const isQuantising =
    source.type === TENSOR_TYPE.F32 &&
    !isSimple(target) &&
    WRITABLE_TYPES.includes(tensorTypeInfo(target.type).name) &&
    source.isContiguous &&
    target.isContiguous &&
    source.shape[0] === target.shape[0];
  if (!isSame && !isFloats && !isQuantising) {
    throw invalidArgument(
      "cpy",
      `${source} cannot be copied to ${target}; expected one type, two float types, or contiguous ` +
        "F32 rows to quantised rows of the same length",
    );
  }
}

function viewStrides(type: number, shape: TensorShape, given: readonly number[]): TensorShape {
  const { blockBytes } = tensorTypeInfo(type);
  requireArgument(given.length <= 3, "view", () => "strides are those of dimensions 1, 2 and 3");
  for (const stride of given) {
    requireInteger("view", "stride", stride, 0, Number.MAX_SAFE_INTEGER);
  }
  const row = contiguousStrides(type, shape)[1];
  const nb1 = given[0] ?? row;
  const nb2 = given[1] ?? nb1 * shape[1];
  const nb3 = given[2] ?? nb2 * shape[2];
  return [blockBytes, nb1, nb2, nb3];
}
