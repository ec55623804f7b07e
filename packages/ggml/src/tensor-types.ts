import { invalidArgument } from "./errors.ts";

/**
 * The element types of ggml tensors, by their numbers in ggml and in GGUF files.
 * @see ggml.h, `enum ggml_type` (b7347); numbers that are missing were removed from ggml.
 */
export const TENSOR_TYPE = {
  F32: 0,
  F16: 1,
  Q4_0: 2,
  Q4_1: 3,
  Q5_0: 6,
  Q5_1: 7,
  Q8_0: 8,
  Q8_1: 9,
  Q2_K: 10,
  Q3_K: 11,
  Q4_K: 12,
  Q5_K: 13,
  Q6_K: 14,
  Q8_K: 15,
  IQ2_XXS: 16,
  IQ2_XS: 17,
  IQ3_XXS: 18,
  IQ1_S: 19,
  IQ4_NL: 20,
  IQ3_S: 21,
  IQ2_S: 22,
  IQ4_XS: 23,
  I8: 24,
  I16: 25,
  I32: 26,
  I64: 27,
  F64: 28,
  IQ1_M: 29,
  BF16: 30,
  TQ1_0: 34,
  TQ2_0: 35,
  MXFP4: 39,
} as const;

/** The name of a tensor type, as ggml spells it. */
export type TensorTypeName = keyof typeof TENSOR_TYPE;
/** The number of a tensor type, as in {@link TENSOR_TYPE}. */
export type TensorType = (typeof TENSOR_TYPE)[TensorTypeName];

/** How the elements of one type lie in memory. */
export interface TensorTypeInfo {
  readonly type: TensorType;
  readonly name: TensorTypeName;
  /** Elements in one block: rows are multiples of it. */
  readonly blockElements: number;
  /** Bytes of one block. */
  readonly blockBytes: number;
  /** True for types of weights that pack several elements into a block. */
  readonly isQuantised: boolean;
}

/** Elements and bytes of one block, `[elements, bytes]`; a test compares them with the library. */
const BLOCKS: Record<TensorTypeName, readonly [number, number]> = {
  F32: [1, 4],
  F16: [1, 2],
  Q4_0: [32, 18],
  Q4_1: [32, 20],
  Q5_0: [32, 22],
  Q5_1: [32, 24],
  Q8_0: [32, 34],
  Q8_1: [32, 36],
  Q2_K: [256, 84],
  Q3_K: [256, 110],
  Q4_K: [256, 144],
  Q5_K: [256, 176],
  Q6_K: [256, 210],
  Q8_K: [256, 292],
  IQ2_XXS: [256, 66],
  IQ2_XS: [256, 74],
  IQ3_XXS: [256, 98],
  IQ1_S: [256, 50],
  IQ4_NL: [32, 18],
  IQ3_S: [256, 110],
  IQ2_S: [256, 82],
  IQ4_XS: [256, 136],
  I8: [1, 1],
  I16: [1, 2],
  I32: [1, 4],
  I64: [1, 8],
  F64: [1, 8],
  IQ1_M: [256, 56],
  BF16: [1, 2],
  TQ1_0: [256, 54],
  TQ2_0: [256, 66],
  MXFP4: [32, 17],
};

const INFO_BY_NUMBER = new Map<number, TensorTypeInfo>(
  (Object.keys(TENSOR_TYPE) as TensorTypeName[]).map((name) => {
    const [blockElements, blockBytes] = BLOCKS[name];
    const type = TENSOR_TYPE[name];
    return [type, { type, name, blockElements, blockBytes, isQuantised: blockElements > 1 }];
  }),
);

/** Every known type, by rising number. */
export const TENSOR_TYPES: readonly TensorTypeInfo[] = [...INFO_BY_NUMBER.values()];

/**
 * Looks a type up by its number.
 * @throws GgmlError `INVALID_ARGUMENT` for a number that is no tensor type
 */
export function tensorTypeInfo(type: number): TensorTypeInfo {
  const info = INFO_BY_NUMBER.get(type);
  if (!info) {
    throw invalidArgument("tensor type", `${type} is not a type of ggml; see TENSOR_TYPE`);
  }
  return info;
}

/**
 * Bytes of one contiguous row of `elements` elements.
 * @throws GgmlError `INVALID_ARGUMENT` when the row does not consist of whole blocks
 */
export function rowSizeBytes(type: number, elements: number): number {
  const info = tensorTypeInfo(type);
  if (!Number.isSafeInteger(elements) || elements < 0 || elements % info.blockElements !== 0) {
    throw invalidArgument(
      "row size",
      `${elements} elements of ${info.name} are not a whole number of blocks of ${info.blockElements}`,
    );
  }
  return (elements / info.blockElements) * info.blockBytes;
}
