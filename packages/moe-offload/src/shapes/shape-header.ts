import type { ShapeValue } from "./shape-metadata.ts";

/** A tensor's entry in the directory of a file. */
export interface HeaderTensor {
  readonly name: string;
  readonly type: number;
  readonly shape: readonly number[];
  readonly sizeBytes: number;
}

/** Bytes of alignment of tensors: the default of the format. */
export const HEADER_ALIGNMENT = 32;
const MAGIC = 0x46554747;
/** Version of the format that is written. */
export const HEADER_VERSION = 3;

/**
 * The bytes before the tensors of a GGUF file, padded to where the first one begins. Tensors follow
 * each other in order, each at the next multiple of `HEADER_ALIGNMENT`.
 * @see https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
 */
export function encodeHeader(
  metadata: ReadonlyMap<string, ShapeValue>,
  tensors: readonly HeaderTensor[],
): Uint8Array {
  const pieces = [u32(MAGIC), u32(HEADER_VERSION), u64(tensors.length), u64(metadata.size)];
  for (const [key, value] of metadata) pieces.push(text(key), ...encodeValue(value));
  let offset = 0;
  for (const { name, type, shape, sizeBytes } of tensors) {
    pieces.push(text(name), u32(shape.length), ...shape.map(u64), u32(type), u64(offset));
    offset += alignedTo(sizeBytes);
  }
  const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
  pieces.push(Buffer.alloc(alignedTo(length) - length));
  return Buffer.concat(pieces);
}

/** The next multiple of `HEADER_ALIGNMENT`. */
export function alignedTo(bytes: number): number {
  return Math.ceil(bytes / HEADER_ALIGNMENT) * HEADER_ALIGNMENT;
}

function encodeValue(value: ShapeValue): Buffer[] {
  switch (value.type) {
    case "string":
      return [u32(8), text(value.value)];
    case "uint32":
      return [u32(4), u32(value.value)];
    case "float32": {
      const bytes = Buffer.alloc(4);
      bytes.writeFloatLE(value.value);
      return [u32(6), bytes];
    }
  }
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function u64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value, "utf8");
  return Buffer.concat([u64(bytes.length), bytes]);
}
