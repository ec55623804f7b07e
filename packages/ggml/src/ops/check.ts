import type { Arena, NewTensor } from "../arena.ts";
import { GgmlError, requireArgument } from "../errors.ts";
import type { Pointer } from "../native.ts";
import type { Tensor } from "../tensor.ts";
import { TENSOR_TYPE, type TensorTypeName, tensorTypeInfo } from "../tensor-types.ts";

/** Weight types the CPU back end can multiply with. */
export const WEIGHT_TYPES: readonly TensorTypeName[] = [
  "F32",
  "F16",
  "BF16",
  "Q4_0",
  "Q4_1",
  "Q5_0",
  "Q5_1",
  "Q8_0",
  "Q2_K",
  "Q3_K",
  "Q4_K",
  "Q5_K",
  "Q6_K",
  "IQ2_XXS",
  "IQ2_XS",
  "IQ2_S",
  "IQ3_XXS",
  "IQ3_S",
  "IQ1_S",
  "IQ1_M",
  "IQ4_NL",
  "IQ4_XS",
  "TQ1_0",
  "TQ2_0",
  "MXFP4",
];

/** Types that rows can be written in, converted from F32. */
export const WRITABLE_TYPES: readonly TensorTypeName[] = [
  "F32",
  "F16",
  "BF16",
  "Q4_0",
  "Q4_1",
  "Q5_0",
  "Q5_1",
  "Q8_0",
  "IQ4_NL",
];

/** Checks that arena and sources are open and belong together, and that one more tensor fits. */
export function begin(operation: string, arena: Arena, sources: readonly Tensor[]): void {
  arena.reserve(operation, 1);
  for (const source of sources) {
    if (source.arena.isClosed || source.root.arena.isClosed) {
      throw new GgmlError(`${operation}: ${source} belongs to a closed arena`, {
        code: "CLOSED",
        what: String(source),
      });
    }
    requireArgument(
      source.arena.library === arena.library,
      operation,
      () => `${source} belongs to another copy of ggml`,
    );
  }
}

/** Takes the tensor an operation has made into its arena. */
export function finish(arena: Arena, pointer: Pointer, made: NewTensor): Tensor {
  return arena.adopt(pointer, made);
}

/** Checks a tensor's type. */
export function requireType(
  operation: string,
  tensor: Tensor,
  ...names: readonly TensorTypeName[]
): void {
  requireArgument(
    names.some((name) => TENSOR_TYPE[name] === tensor.type),
    operation,
    () => `${tensor} has type ${tensorTypeInfo(tensor.type).name}; expected ${names.join(" or ")}`,
  );
}

/** Checks that elements lie without gaps in the order of their indices. */
export function requireContiguous(operation: string, tensor: Tensor): void {
  requireArgument(
    tensor.isContiguous,
    operation,
    () => `${tensor} with strides [${tensor.strides.join(", ")}] is not contiguous; use cont`,
  );
}

/** Checks that the elements of each row lie without gaps. */
export function requireContiguousRows(operation: string, tensor: Tensor): void {
  requireArgument(
    tensor.hasContiguousRows,
    operation,
    () => `rows of ${tensor} are not contiguous (stride ${tensor.strides[0]}); use cont`,
  );
}

/** Checks a condition on the shapes of two tensors. */
export function requireShapes(
  operation: string,
  isRight: boolean,
  a: Tensor,
  b: Tensor,
  expected: string,
): void {
  requireArgument(isRight, operation, () => `${a} and ${b} do not fit; expected ${expected}`);
}
