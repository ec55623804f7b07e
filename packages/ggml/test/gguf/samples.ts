import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll } from "vitest";
import { encodeGguf, type GgufInput, type GgufValue } from "../../src/gguf/index.ts";

/** The model that comes with the repository. */
export const SHIPPED_MODEL = fileURLToPath(
  new URL("../../../../models/tiny-story-moe.q8_0.gguf", import.meta.url),
);

/** A folder that is removed after the file's tests, and a way to put files in it. */
export function temporaryFiles(): (bytes: Uint8Array) => string {
  const folder = mkdtempSync(join(tmpdir(), "fmlab-gguf-"));
  afterAll(() => rmSync(folder, { recursive: true }));
  let count = 0;
  return (bytes) => {
    const path = join(folder, `${count++}.gguf`);
    writeFileSync(path, bytes);
    return path;
  };
}

/** One metadata entry of each value type, and arrays of each. */
export const EVERY_VALUE: [string, GgufValue][] = [
  ["a.uint8", { type: "uint8", value: 255 }],
  ["a.int8", { type: "int8", value: -128 }],
  ["a.uint16", { type: "uint16", value: 65_535 }],
  ["a.int16", { type: "int16", value: -32_768 }],
  ["a.uint32", { type: "uint32", value: 4_294_967_295 }],
  ["a.int32", { type: "int32", value: -2_147_483_648 }],
  ["a.float32", { type: "float32", value: 0.5 }],
  ["a.float64", { type: "float64", value: Math.PI }],
  ["a.uint64", { type: "uint64", value: 2n ** 64n - 1n }],
  ["a.int64", { type: "int64", value: -(2n ** 63n) }],
  ["a.bool", { type: "bool", value: true }],
  ["a.string", { type: "string", value: "\ufeffnaïve 🦙\u0000" }],
  ["b.uint8", { type: "array", elementType: "uint8", value: Uint8Array.of(1, 2, 3) }],
  ["b.int16", { type: "array", elementType: "int16", value: Int16Array.of(-1, 2) }],
  ["b.int32", { type: "array", elementType: "int32", value: Int32Array.of(-5, 7) }],
  ["b.float32", { type: "array", elementType: "float32", value: Float32Array.of(1.5) }],
  ["b.float64", { type: "array", elementType: "float64", value: Float64Array.of(-0.1) }],
  ["b.uint64", { type: "array", elementType: "uint64", value: BigUint64Array.of(9n) }],
  ["b.int64", { type: "array", elementType: "int64", value: BigInt64Array.of(-9n) }],
  ["b.bool", { type: "array", elementType: "bool", value: [true, false] }],
  ["b.string", { type: "array", elementType: "string", value: ["", "x", "日本"] }],
];

/** A small well-formed file with every value type and tensors of several types. */
export const SMALL: GgufInput = {
  metadata: EVERY_VALUE,
  tensors: [
    { name: "f32", type: 0, shape: [3, 2], bytes: Uint8Array.from({ length: 24 }, (_, i) => i) },
    { name: "q8_0", type: 8, shape: [64, 2, 3], bytes: new Uint8Array(12 * 34).fill(7) },
    { name: "f16", type: 1, shape: [1], bytes: Uint8Array.of(1, 2) },
    { name: "q4_K", type: 12, shape: [256], bytes: new Uint8Array(144).fill(9) },
  ],
};

export const smallFile = (changes: Partial<GgufInput> = {}): Uint8Array =>
  encodeGguf({ ...SMALL, ...changes });
