import { GgufError } from "./errors.ts";
import type { GgufFile } from "./file.ts";
import type { GgufTensor, GgufValue } from "./types.ts";

/** What a getter needs of a file; tests may hand in a bare object. */
export type GgufMetadata = Pick<GgufFile, "path" | "metadata">;

/** Bounds of an integer and what to return when the key is absent (default: an error). */
export interface IntegerOptions {
  min?: number;
  max?: number;
  fallback?: number;
}

/**
 * A whole number of any integer type.
 *
 * @throws GgufError `MISSING_KEY` | `WRONG_KEY`
 */
export function getInteger(
  file: GgufMetadata,
  key: string,
  { min = 0, max = Number.MAX_SAFE_INTEGER, fallback }: IntegerOptions = {},
): number {
  const value = file.metadata.get(key);
  if (value === undefined && fallback !== undefined) return fallback;
  const n = value === undefined ? undefined : integerOf(value);
  if (n !== undefined && n >= min && n <= max) return n;
  throw wrong(file, key, value, `a whole number from ${min} to ${max}`);
}

/**
 * A finite number of any float or integer type.
 *
 * @throws GgufError `MISSING_KEY` | `WRONG_KEY`
 */
export function getNumber(
  file: GgufMetadata,
  key: string,
  { min = -Infinity, max = Infinity, fallback }: IntegerOptions = {},
): number {
  const value = file.metadata.get(key);
  if (value === undefined && fallback !== undefined) return fallback;
  if (value !== undefined && value.type !== "array") {
    const n = typeof value.value === "bigint" ? Number(value.value) : value.value;
    if (typeof n === "number" && Number.isFinite(n) && n >= min && n <= max) return n;
  }
  throw wrong(file, key, value, `a finite number from ${min} to ${max}`);
}

/** @throws GgufError `MISSING_KEY` | `WRONG_KEY` */
export function getBoolean(file: GgufMetadata, key: string, fallback?: boolean): boolean {
  const value = file.metadata.get(key);
  if (value === undefined && fallback !== undefined) return fallback;
  if (value?.type === "bool") return value.value;
  throw wrong(file, key, value, "a boolean");
}

/** @throws GgufError `MISSING_KEY` | `WRONG_KEY` */
export function getString(file: GgufMetadata, key: string, fallback?: string): string {
  const value = file.metadata.get(key);
  if (value === undefined && fallback !== undefined) return fallback;
  if (value?.type === "string") return value.value;
  throw wrong(file, key, value, "a text");
}

/** @throws GgufError `MISSING_KEY` | `WRONG_KEY` */
export function getStrings(file: GgufMetadata, key: string): readonly string[] {
  const value = file.metadata.get(key);
  if (value?.type === "array" && value.elementType === "string") return value.value;
  throw wrong(file, key, value, "an array of texts");
}

/**
 * An array of whole numbers of any integer type.
 *
 * @throws GgufError `MISSING_KEY` | `WRONG_KEY`
 */
export function getIntegers(file: GgufMetadata, key: string): number[] {
  const value = file.metadata.get(key);
  if (value?.type === "array") {
    switch (value.elementType) {
      case "uint8":
      case "int8":
      case "uint16":
      case "int16":
      case "uint32":
      case "int32":
        return Array.from(value.value);
      case "uint64":
      case "int64": {
        const all = Array.from(value.value, Number);
        if (all.every(Number.isSafeInteger)) return all;
        break;
      }
      default:
    }
  }
  throw wrong(file, key, value, "an array of whole numbers");
}

/** @throws GgufError `MISSING_TENSOR` */
export function getTensor(file: Pick<GgufFile, "path" | "tensors">, name: string): GgufTensor {
  const tensor = file.tensors.get(name);
  if (tensor !== undefined) return tensor;
  throw new GgufError(
    `${file.path} has no tensor "${name}", which its architecture needs. ` +
      "The file is incomplete or another kind of model; convert or fetch it again.",
    { code: "MISSING_TENSOR", path: file.path, tensor: name },
  );
}

function integerOf(value: GgufValue): number | undefined {
  switch (value.type) {
    case "uint8":
    case "int8":
    case "uint16":
    case "int16":
    case "uint32":
    case "int32":
      return value.value;
    case "uint64":
    case "int64": {
      const n = Number(value.value);
      return Number.isSafeInteger(n) ? n : undefined;
    }
    default:
      return undefined;
  }
}

function wrong(
  file: GgufMetadata,
  key: string,
  value: GgufValue | undefined,
  expected: string,
): GgufError {
  if (value === undefined) {
    return new GgufError(
      `${file.path} lacks the metadata key "${key}", expected ${expected}. ` +
        "Convert the model again with a current llama.cpp.",
      { code: "MISSING_KEY", path: file.path, key },
    );
  }
  const found =
    value.type === "array"
      ? `an array of ${value.elementType}`
      : `${value.type} ${String(value.value).slice(0, 40)}`;
  return new GgufError(
    `${file.path}: metadata key "${key}" is ${found}, expected ${expected}. ` +
      "The file is damaged or was written by a broken tool.",
    { code: "WRONG_KEY", path: file.path, key, expected, found },
  );
}
