import { encodeGgufHeader, GGUF_ALIGNMENT, ggufPadded } from "./header.ts";
import { GGML_TYPE_LAYOUTS, type GgufValue } from "./types.ts";

/** A tensor to write: its shape in ne order and its packed bytes. */
export interface GgufTensorInput {
  name: string;
  type: number;
  shape: readonly number[];
  bytes: Uint8Array;
}

/** What a GGUF file is made of. */
export interface GgufInput {
  /** 3 when left out. */
  version?: number;
  /**
   * Bytes, a power of two; 32 when left out. Written as `general.alignment` only when it is not 32.
   */
  alignment?: number;
  metadata: Iterable<readonly [string, GgufValue]>;
  tensors: readonly GgufTensorInput[];
}

/**
 * Serialises a GGUF file. Used to make small models for tests and to rewrite a model's metadata; a
 * tensor's byte count must match its shape.
 */
export function encodeGguf(input: GgufInput): Uint8Array {
  const alignment = input.alignment ?? GGUF_ALIGNMENT;
  const entries = [...input.metadata];
  if (alignment !== GGUF_ALIGNMENT) {
    entries.push(["general.alignment", { type: "uint32", value: alignment }]);
  }
  const tensors = input.tensors.map((tensor) => {
    checkSize(tensor);
    return { ...tensor, sizeBytes: tensor.bytes.length };
  });
  const header = encodeGgufHeader(entries, tensors, {
    alignment,
    ...(input.version !== undefined && { version: input.version }),
  });
  const sizes = tensors.map(({ sizeBytes }) => ggufPadded(sizeBytes, alignment));
  const file = new Uint8Array(sizes.reduce((sum, size) => sum + size, header.length));
  file.set(header);
  let at = header.length;
  tensors.forEach(({ bytes }, index) => {
    file.set(bytes, at);
    at += sizes[index] ?? 0;
  });
  return file;
}

/**
 * Serialises a model as several files, as llama.cpp's `gguf-split` does: the metadata lie in the
 * first part, the tensors are dealt out in order. Write part `n` to `splitPath(prefix, n, count)`.
 *
 * @param partCount files to make, from 2 up; late ones may be without tensors
 */
export function encodeSplitGguf(input: GgufInput, partCount: number): Uint8Array[] {
  const perPart = Math.max(1, Math.ceil(input.tensors.length / partCount));
  return Array.from({ length: partCount }, (_, part) => {
    const split: [string, GgufValue][] = [
      ["split.no", { type: "uint16", value: part }],
      ["split.count", { type: "uint16", value: partCount }],
      ["split.tensors.count", { type: "int32", value: input.tensors.length }],
    ];
    return encodeGguf({
      ...input,
      metadata: part === 0 ? [...input.metadata, ...split] : split,
      tensors: input.tensors.slice(part * perPart, (part + 1) * perPart),
    });
  });
}

function checkSize(tensor: GgufTensorInput): void {
  const layout = GGML_TYPE_LAYOUTS.get(tensor.type);
  const elements = tensor.shape.reduce((product, n) => product * n, 1);
  const expected = layout && (elements / layout.blockSize) * layout.blockBytes;
  if (expected !== tensor.bytes.length) {
    throw new RangeError(
      `tensor ${tensor.name} has ${tensor.bytes.length} bytes, its shape needs ${expected}`,
    );
  }
}
