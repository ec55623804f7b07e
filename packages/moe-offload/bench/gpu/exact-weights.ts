import {
  dequantise,
  type GgmlLibrary,
  type GgufFile,
  type GgufInput,
  TENSOR_TYPE,
} from "@fmlab/ggml";

/** The same weights as 32-bit floats: products with them round nothing that goes in. */
export function inFloats(library: GgmlLibrary, input: GgufInput): GgufInput {
  const tensors = input.tensors.map((tensor) => {
    if (tensor.type === TENSOR_TYPE.F32) return tensor;
    const values = dequantise(library, tensor.type, tensor.bytes);
    const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    return { ...tensor, type: TENSOR_TYPE.F32, bytes };
  });
  return { ...input, tensors };
}

/** The parts of a file, all in memory. */
export function partsOf(file: GgufFile): GgufInput {
  const tensors = [...file.tensors.values()].map(
    ({ name, offset, part, shape, sizeBytes, type }) => {
      const bytes = new Uint8Array(sizeBytes);
      file.read(offset, bytes, part);
      return { name, shape, type, bytes };
    },
  );
  return { metadata: [...file.metadata], tensors };
}
