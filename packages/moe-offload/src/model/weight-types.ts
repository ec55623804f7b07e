import { type GgufFile, type GgufTensor, TENSOR_TYPE, type TensorTypeName } from "@fmlab/ggml";
import { MoeError } from "../errors.ts";

/** Types of the matrices of a model, experts among them, that this package computes with. */
export const SUPPORTED_WEIGHT_TYPES = [
  "F32",
  "F16",
  "BF16",
  "Q8_0",
  "Q4_0",
  "Q4_1",
  "Q5_0",
  "Q5_1",
  "Q2_K",
  "Q3_K",
  "Q4_K",
  "Q5_K",
  "Q6_K",
  "IQ4_NL",
  "IQ4_XS",
  "IQ2_XXS",
  "IQ2_XS",
  "IQ2_S",
  "IQ3_XXS",
  "IQ3_S",
  "IQ1_S",
  "IQ1_M",
  "TQ1_0",
  "TQ2_0",
  "MXFP4",
] as const satisfies readonly TensorTypeName[];

/** Checks a tensor's type. @throws MoeError `UNSUPPORTED_TENSOR_TYPE` */
export function requireWeightType(file: Pick<GgufFile, "path">, tensor: GgufTensor): void {
  if (SUPPORTED_WEIGHT_TYPES.some((name) => TENSOR_TYPE[name] === tensor.type)) return;
  const { name, typeName } = tensor;
  throw new MoeError(
    `${file.path}: tensor ${name} is ${typeName}; this version computes with ` +
      `${SUPPORTED_WEIGHT_TYPES.join(", ")}. Quantise the model to one of them.`,
    {
      code: "UNSUPPORTED_TENSOR_TYPE",
      path: file.path,
      tensor: name,
      found: typeName,
      supported: [...SUPPORTED_WEIGHT_TYPES],
    },
  );
}
