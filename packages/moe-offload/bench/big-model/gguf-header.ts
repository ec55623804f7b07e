/** A tensor whose bytes come later. */
export interface PlannedTensor {
  readonly name: string;
  /** ggml type number. */
  readonly type: number;
  /** In ne order. */
  readonly shape: readonly number[];
  readonly sizeBytes: number;
}

/** A metadata value: text, or a number of the type that llama.cpp asks for. */
export type Scalar =
  | { readonly type: "text"; readonly value: string }
  | { readonly type: "uint32" | "float32"; readonly value: number };

const ALIGNMENT = 32;
/** Numbers of value types in the file. @see GGUF specification */
const TYPE_NUMBERS = { uint32: 4, float32: 6, text: 8 } as const;

/**
 * The bytes before the data part of a GGUF file, padded; tensors follow in order, each padded to
 * `paddedBytes`.
 *
 * @see https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
 */
export function encodeGgufHeader(
  metadata: ReadonlyMap<string, Scalar>,
  tensors: readonly PlannedTensor[],
): Buffer {
  const pieces = [u32(0x46554747), u32(3), u64(tensors.length), u64(metadata.size)];
  for (const [key, { type, value }] of metadata) {
    pieces.push(text(key), u32(TYPE_NUMBERS[type]));
    if (type === "text") pieces.push(text(value));
    else pieces.push(type === "uint32" ? u32(value) : f32(value));
  }
  let offset = 0;
  for (const { name, type, shape, sizeBytes } of tensors) {
    pieces.push(text(name), u32(shape.length), ...shape.map(u64), u32(type), u64(offset));
    offset += paddedBytes(sizeBytes);
  }
  const header = Buffer.concat(pieces);
  return Buffer.concat([header, Buffer.alloc(paddedBytes(header.length) - header.length)]);
}

/** Bytes that something of this size takes in the file. */
export function paddedBytes(sizeBytes: number): number {
  return Math.ceil(sizeBytes / ALIGNMENT) * ALIGNMENT;
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function f32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value);
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
