import { GGML_TYPE_LAYOUTS, GGUF_VALUE_TYPES, type GgufArray, type GgufValue } from "./types.ts";

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
  const alignment = input.alignment ?? 32;
  const entries = [...input.metadata];
  if (alignment !== 32) {
    entries.push(["general.alignment", { type: "uint32", value: alignment }]);
  }
  const sink = new ByteSink();
  sink.u32(0x46554747);
  sink.u32(input.version ?? 3);
  sink.u64(BigInt(input.tensors.length));
  sink.u64(BigInt(entries.length));
  for (const [key, value] of entries) {
    sink.text(key);
    sink.u32(GGUF_VALUE_TYPES.indexOf(value.type));
    writeValue(sink, value);
  }
  let offset = 0;
  for (const tensor of input.tensors) {
    checkSize(tensor);
    sink.text(tensor.name);
    sink.u32(tensor.shape.length);
    for (const size of tensor.shape) sink.u64(BigInt(size));
    sink.u32(tensor.type);
    sink.u64(BigInt(offset));
    offset += padded(tensor.bytes.length, alignment);
  }
  for (const tensor of input.tensors) {
    sink.align(alignment);
    sink.bytes(tensor.bytes);
  }
  sink.align(alignment);
  return sink.finish();
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

function writeValue(sink: ByteSink, value: GgufValue): void {
  if (value.type === "array") writeArray(sink, value);
  else if (value.type === "string") sink.text(value.value);
  else if (value.type === "bool") sink.number("uint8", value.value ? 1 : 0);
  else if (typeof value.value === "bigint") sink.u64(BigInt.asUintN(64, value.value));
  else sink.number(value.type, value.value);
}

function writeArray(sink: ByteSink, array: GgufArray): void {
  sink.u32(GGUF_VALUE_TYPES.indexOf(array.elementType));
  sink.u64(BigInt(array.value.length));
  switch (array.elementType) {
    case "string":
      for (const text of array.value) sink.text(text);
      return;
    case "array":
      for (const inner of array.value) writeArray(sink, inner);
      return;
    case "bool":
      for (const flag of array.value) sink.number("uint8", flag ? 1 : 0);
      return;
    default:
      sink.bytes(
        new Uint8Array(array.value.buffer, array.value.byteOffset, array.value.byteLength),
      );
  }
}

const padded = (n: number, alignment: number): number => Math.ceil(n / alignment) * alignment;

type Setter = [bytes: number, set: (view: DataView, at: number, value: number) => void];

const SETTERS = {
  uint8: [1, (view, at, value) => view.setUint8(at, value)],
  int8: [1, (view, at, value) => view.setInt8(at, value)],
  uint16: [2, (view, at, value) => view.setUint16(at, value, true)],
  int16: [2, (view, at, value) => view.setInt16(at, value, true)],
  uint32: [4, (view, at, value) => view.setUint32(at, value, true)],
  int32: [4, (view, at, value) => view.setInt32(at, value, true)],
  float32: [4, (view, at, value) => view.setFloat32(at, value, true)],
  float64: [8, (view, at, value) => view.setFloat64(at, value, true)],
} satisfies Record<string, Setter>;

/** Grows a byte array; little-endian. */
class ByteSink {
  #bytes = new Uint8Array(1 << 16);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;

  u32(value: number): void {
    this.number("uint32", value);
  }

  u64(value: bigint): void {
    const at = this.#grow(8);
    this.#view.setBigUint64(at, value, true);
  }

  number(type: keyof typeof SETTERS, value: number): void {
    const [byteCount, set] = SETTERS[type];
    const at = this.#grow(byteCount);
    set(this.#view, at, value);
  }

  text(text: string): void {
    const bytes = new TextEncoder().encode(text);
    this.u64(BigInt(bytes.length));
    this.bytes(bytes);
  }

  bytes(bytes: Uint8Array): void {
    const at = this.#grow(bytes.length);
    this.#bytes.set(bytes, at);
  }

  align(alignment: number): void {
    this.#grow(padded(this.#length, alignment) - this.#length);
  }

  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }

  #grow(count: number): number {
    const at = this.#length;
    this.#length += count;
    if (this.#length > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(this.#length, this.#bytes.length * 2));
      larger.set(this.#bytes);
      this.#bytes = larger;
      this.#view = new DataView(larger.buffer);
    }
    return at;
  }
}
