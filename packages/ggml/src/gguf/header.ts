import { GGUF_VALUE_TYPES, type GgufArray, type GgufValue } from "./types.ts";

/** A tensor as the header lists it; its bytes come after the header, in the same order. */
export interface GgufTensorPlan {
  readonly name: string;
  /** ggml type number. */
  readonly type: number;
  /** In ne order, the contiguous dimension first. */
  readonly shape: readonly number[];
  readonly sizeBytes: number;
}

/** What a header says beside its metadata and tensors. */
export interface GgufHeaderOptions {
  /** Default `GGUF_VERSION`. */
  readonly version?: number;
  /** Bytes, a power of two. Default `GGUF_ALIGNMENT`; others have to be told in the metadata. */
  readonly alignment?: number;
}

/** Bytes of alignment of the data part, where the metadata say nothing else. */
export const GGUF_ALIGNMENT = 32;
/** Version of the format that is written. */
export const GGUF_VERSION = 3;
/** `GGUF`, little-endian. */
const MAGIC = 0x46554747;

/**
 * The bytes before the tensors of a GGUF file, padded to where the first one begins. Tensors follow
 * each other in order, each padded to the alignment.
 *
 * @see https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
 */
export function encodeGgufHeader(
  metadata: Iterable<readonly [string, GgufValue]>,
  tensors: readonly GgufTensorPlan[],
  { alignment = GGUF_ALIGNMENT, version = GGUF_VERSION }: GgufHeaderOptions = {},
): Uint8Array {
  const entries = [...metadata];
  const sink = new ByteSink();
  sink.u32(MAGIC);
  sink.u32(version);
  sink.u64(BigInt(tensors.length));
  sink.u64(BigInt(entries.length));
  for (const [key, value] of entries) {
    sink.text(key);
    sink.u32(GGUF_VALUE_TYPES.indexOf(value.type));
    writeValue(sink, value);
  }
  let offset = 0;
  for (const { name, shape, sizeBytes, type } of tensors) {
    sink.text(name);
    sink.u32(shape.length);
    for (const size of shape) sink.u64(BigInt(size));
    sink.u32(type);
    sink.u64(BigInt(offset));
    offset += ggufPadded(sizeBytes, alignment);
  }
  sink.align(alignment);
  return sink.finish();
}

/** Bytes that something of this size takes in a file. */
export function ggufPadded(sizeBytes: number, alignment: number = GGUF_ALIGNMENT): number {
  return Math.ceil(sizeBytes / alignment) * alignment;
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
    this.#grow(ggufPadded(this.#length, alignment) - this.#length);
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
