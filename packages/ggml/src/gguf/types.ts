/** How one ggml tensor type packs its elements: `blockSize` elements take `blockBytes` bytes. */
export interface GgmlTypeLayout {
  name: string;
  blockSize: number;
  blockBytes: number;
}

/**
 * Tensor types by their number in a GGUF file. Numbers left out were used once and are retired, so
 * that no ggml in use accepts them.
 *
 * @see ggml.h `enum ggml_type` and ggml.c `type_traits`; compared with the shared library in
 *      test/gguf/types.test.ts
 */
export const GGML_TYPE_LAYOUTS: ReadonlyMap<number, GgmlTypeLayout> = new Map(
  (
    [
      [0, "f32", 1, 4],
      [1, "f16", 1, 2],
      [2, "q4_0", 32, 18],
      [3, "q4_1", 32, 20],
      [6, "q5_0", 32, 22],
      [7, "q5_1", 32, 24],
      [8, "q8_0", 32, 34],
      [9, "q8_1", 32, 36],
      [10, "q2_K", 256, 84],
      [11, "q3_K", 256, 110],
      [12, "q4_K", 256, 144],
      [13, "q5_K", 256, 176],
      [14, "q6_K", 256, 210],
      [15, "q8_K", 256, 292],
      [16, "iq2_xxs", 256, 66],
      [17, "iq2_xs", 256, 74],
      [18, "iq3_xxs", 256, 98],
      [19, "iq1_s", 256, 50],
      [20, "iq4_nl", 32, 18],
      [21, "iq3_s", 256, 110],
      [22, "iq2_s", 256, 82],
      [23, "iq4_xs", 256, 136],
      [24, "i8", 1, 1],
      [25, "i16", 1, 2],
      [26, "i32", 1, 4],
      [27, "i64", 1, 8],
      [28, "f64", 1, 8],
      [29, "iq1_m", 256, 56],
      [30, "bf16", 1, 2],
      [34, "tq1_0", 256, 54],
      [35, "tq2_0", 256, 66],
      [39, "mxfp4", 32, 17],
    ] as const
  ).map(([id, name, blockSize, blockBytes]) => [id, { name, blockSize, blockBytes }]),
);

/** Metadata value types; the index is the type's number in the file. */
export const GGUF_VALUE_TYPES = [
  "uint8",
  "int8",
  "uint16",
  "int16",
  "uint32",
  "int32",
  "float32",
  "bool",
  "string",
  "array",
  "uint64",
  "int64",
  "float64",
] as const;
export type GgufValueType = (typeof GGUF_VALUE_TYPES)[number];
/** Types of a single metadata value, and of the elements of an array. */
export type GgufScalarType = Exclude<GgufValueType, "array">;

/** Smallest number of bytes one value takes in a file; bounds counts before anything is read. */
export const GGUF_VALUE_BYTES_MIN: Readonly<Record<GgufValueType, number>> = {
  uint8: 1,
  int8: 1,
  uint16: 2,
  int16: 2,
  uint32: 4,
  int32: 4,
  float32: 4,
  bool: 1,
  string: 8,
  array: 12,
  uint64: 8,
  int64: 8,
  float64: 8,
};

/**
 * Elements of an array value; numbers stay in typed arrays, so an array costs what it costs on
 * disk.
 */
export type GgufArray =
  | {
      type: "array";
      elementType: "uint8" | "int8" | "uint16" | "int16" | "uint32" | "int32";
      value: Uint8Array | Int8Array | Uint16Array | Int16Array | Uint32Array | Int32Array;
    }
  | { type: "array"; elementType: "float32"; value: Float32Array }
  | { type: "array"; elementType: "float64"; value: Float64Array }
  | { type: "array"; elementType: "uint64"; value: BigUint64Array }
  | { type: "array"; elementType: "int64"; value: BigInt64Array }
  | { type: "array"; elementType: "bool"; value: boolean[] }
  | { type: "array"; elementType: "string"; value: string[] }
  | { type: "array"; elementType: "array"; value: GgufArray[] };

/** One metadata value with the type it has in the file. 64-bit integers are bigints. */
export type GgufValue =
  | {
      type: "uint8" | "int8" | "uint16" | "int16" | "uint32" | "int32" | "float32" | "float64";
      value: number;
    }
  | { type: "uint64" | "int64"; value: bigint }
  | { type: "bool"; value: boolean }
  | { type: "string"; value: string }
  | GgufArray;

/**
 * One tensor of the file's directory. Its bytes are inside the file and overlap no other tensor's.
 */
export interface GgufTensor {
  name: string;
  /** ggml type number. */
  type: number;
  /** Name of the type, e.g. `q8_0`. */
  typeName: string;
  /** Sizes in ne order: `shape[0]` is contiguous. 1 to 4 entries, each at least 1. */
  shape: number[];
  /** First byte, counted from the start of the file it lies in. */
  offset: number;
  sizeBytes: number;
  /** The file it lies in: one of the parts when the model is split. */
  path: string;
  /** 0-based number of that file. */
  part: number;
}
