import { TENSOR_TYPE, type TensorType, tensorTypeInfo } from "@fmlab/ggml";
import type { ShapeType } from "./shape-types.ts";

/**
 * The type of a matrix with rows of `columns` elements: the wanted one, or Q5_0 in place of Q4_K
 * where rows are no whole blocks of 256, as in the experts' down matrices of 1,408 columns.
 * @see llama.cpp src/llama-quant.cpp `llama_tensor_get_type`, its fallback quantisation (b7347)
 */
export function storedType(wanted: ShapeType, columns: number): TensorType {
  const type = TENSOR_TYPE[wanted];
  const fits = columns % tensorTypeInfo(type).blockElements === 0;
  return fits ? type : TENSOR_TYPE.Q5_0;
}
