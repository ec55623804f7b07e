import type { ByteSource } from "./byte-source.ts";
import { GgufError } from "./errors.ts";
import {
  GGUF_VALUE_BYTES_MIN,
  GGUF_VALUE_TYPES,
  type GgufArray,
  type GgufValue,
  type GgufValueType,
} from "./types.ts";

/** Longest key, bytes. @see GGUF specification, "gguf_metadata_kv_t" */
const KEY_BYTES_MAX = 65_535;
/** Arrays of arrays: no known file has one; four levels are ample and bound the recursion. */
const ARRAY_DEPTH_MAX = 4;
/** Arrays inside arrays in the whole file; each costs some 100 bytes of memory for 12 on disk. */
const NESTED_ARRAYS_MAX = 1 << 16;
/** Metadata in one file, bytes; the largest known vocabularies take some 15 MB. */
const METADATA_BYTES_MAX = 1 << 28;

/** Metadata by key, and the byte where each entry's value starts. */
export interface MetadataPart {
  metadata: Map<string, GgufValue>;
  positions: Map<string, number>;
}

/** Reads `entryCount` entries from the source's position on. */
export function readMetadata(source: ByteSource, entryCount: number): MetadataPart {
  const metadata = new Map<string, GgufValue>();
  const positions = new Map<string, number>();
  const budget = { nestedArrays: NESTED_ARRAYS_MAX, end: source.position + METADATA_BYTES_MAX };
  for (let i = 0; i < entryCount; i++) {
    const keyPosition = source.position;
    const key = source.text(`metadata key ${i}`, KEY_BYTES_MAX);
    if (key === "") throw source.badValue(keyPosition, `metadata key ${i}`, "empty", "a name");
    if (metadata.has(key)) {
      throw new GgufError(
        `${source.path}: metadata key "${key}" at byte ${keyPosition} occurs twice; ` +
          "each key may occur once. The file is damaged or was written by a broken tool.",
        {
          code: "DUPLICATE_NAME",
          path: source.path,
          position: keyPosition,
          what: "metadata key",
          name: key,
        },
      );
    }
    const type = readType(source, `type of ${key}`);
    positions.set(key, source.position);
    metadata.set(key, readValue(source, key, type, budget));
    checkBudget(source, key, budget);
  }
  return { metadata, positions };
}

interface Budget {
  nestedArrays: number;
  end: number;
}

function checkBudget(source: ByteSource, key: string, budget: Budget): void {
  if (source.position <= budget.end) return;
  const what = `metadata up to ${key}`;
  throw new GgufError(
    `${source.path}: ${what} take more than ${METADATA_BYTES_MAX} bytes, the most this reader ` +
      "takes. The file is damaged; fetch it again.",
    {
      code: "ABSURD_COUNT",
      path: source.path,
      position: source.position,
      what,
      count: String(source.position),
    },
  );
}

function readType(source: ByteSource, what: string): GgufValueType {
  const position = source.position;
  const id = source.u32();
  const type = GGUF_VALUE_TYPES[id];
  if (type === undefined) {
    throw source.badValue(position, what, String(id), "a GGUF value type, 0 to 12");
  }
  return type;
}

function readValue(
  source: ByteSource,
  key: string,
  type: GgufValueType,
  budget: Budget,
): GgufValue {
  switch (type) {
    case "uint8":
      return { type, value: source.u8() };
    case "int8":
      return { type, value: source.i8() };
    case "uint16":
      return { type, value: source.u16() };
    case "int16":
      return { type, value: source.i16() };
    case "uint32":
      return { type, value: source.u32() };
    case "int32":
      return { type, value: source.i32() };
    case "float32":
      return { type, value: source.f32() };
    case "float64":
      return { type, value: source.f64() };
    case "uint64":
      return { type, value: source.u64() };
    case "int64":
      return { type, value: source.i64() };
    case "bool":
      return { type, value: readBool(source, key) };
    case "string":
      return { type, value: source.text(`value of ${key}`) };
    case "array":
      return readArray(source, key, 1, budget);
  }
}

function readBool(source: ByteSource, key: string): boolean {
  const position = source.position;
  const byte = source.u8();
  if (byte > 1) throw source.badValue(position, `boolean ${key}`, String(byte), "0 or 1");
  return byte === 1;
}

function readArray(source: ByteSource, key: string, depth: number, budget: Budget): GgufArray {
  const typePosition = source.position;
  const elementType = readType(source, `element type of ${key}`);
  const bytesEach = GGUF_VALUE_BYTES_MIN[elementType];
  const count = source.count(
    `element count of ${key}`,
    bytesEach,
    Math.floor(METADATA_BYTES_MAX / bytesEach),
  );
  if (elementType === "string") {
    const value: string[] = [];
    for (let i = 0; i < count; i++) {
      value.push(source.text(`${key}[${i}]`));
      if ((i & 0xfff) === 0) checkBudget(source, key, budget);
    }
    return { type: "array", elementType, value };
  }
  if (elementType === "bool") {
    const value: boolean[] = [];
    for (let i = 0; i < count; i++) value.push(readBool(source, `${key}[${i}]`));
    return { type: "array", elementType, value };
  }
  if (elementType === "array") {
    budget.nestedArrays -= count;
    if (depth >= ARRAY_DEPTH_MAX || budget.nestedArrays < 0) {
      throw source.badValue(
        typePosition,
        `array ${key}`,
        "an array of arrays that is too deep or too large",
        `at most ${ARRAY_DEPTH_MAX} levels and ${NESTED_ARRAYS_MAX} inner arrays`,
      );
    }
    const value: GgufArray[] = [];
    for (let i = 0; i < count; i++) {
      value.push(readArray(source, `${key}[${i}]`, depth + 1, budget));
    }
    return { type: "array", elementType, value };
  }
  return numbers(elementType, source.bytes(count * bytesEach));
}

const TYPED_ARRAYS = {
  uint8: Uint8Array,
  int8: Int8Array,
  uint16: Uint16Array,
  int16: Int16Array,
  uint32: Uint32Array,
  int32: Int32Array,
  float32: Float32Array,
  float64: Float64Array,
  uint64: BigUint64Array,
  int64: BigInt64Array,
} as const;

/**
 * Copies little-endian bytes into a typed array. GGUF and every platform of ours are little-endian.
 */
function numbers(elementType: keyof typeof TYPED_ARRAYS, bytes: Uint8Array): GgufArray {
  const copy = bytes.slice();
  const value = new TYPED_ARRAYS[elementType](copy.buffer, 0);
  return { type: "array", elementType, value } as GgufArray;
}
