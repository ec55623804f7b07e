import { invalidArgument, requireArgument, requireInteger } from "./errors.ts";
import type { GgmlLibrary } from "./library.ts";
import type { ForeignFunction } from "./native.ts";
import { WEIGHT_TYPES } from "./ops/check.ts";
import { rowSizeBytes, TENSOR_TYPE, type TensorTypeName, tensorTypeInfo } from "./tensor-types.ts";

/**
 * Types that F32 rows can be quantised to. IQ1_M is left out: without measured importances, which
 * ggml does not insist on there, its result is of no use.
 */
export const QUANTISABLE_TYPES: readonly TensorTypeName[] = WEIGHT_TYPES.filter(
  (type) => type !== "IQ1_M",
);

// Largest finite half-precision number: scales are stored as F16, larger values become infinite.
const F16_MAX = 65_504;

/**
 * Quantises rows of F32 values.
 *
 * @param values       `[rows, rowElements]` row-major, finite, at most 65,504 in size
 * @param rowElements  elements of one row; whole blocks of the type
 * @param importance   weight of each column, `[rowElements]`; some types need it
 * @throws GgmlError `INVALID_ARGUMENT`
 */
export function quantise(
  library: GgmlLibrary,
  type: number,
  values: Float32Array,
  rowElements: number,
  importance?: Float32Array,
): Uint8Array {
  const info = tensorTypeInfo(type);
  const { native } = library;
  requireArgument(
    QUANTISABLE_TYPES.includes(info.name),
    "quantise",
    () => `${info.name} is not a type to quantise to`,
  );
  requireInteger("quantise", "rowElements", rowElements, 1, 2 ** 31 - 1);
  requireArgument(
    values.length > 0 && values.length % rowElements === 0,
    "quantise",
    () => `${values.length} values are not whole rows of ${rowElements}`,
  );
  const sizeBytes = rowSizeBytes(type, rowElements) * (values.length / rowElements);
  requireArgument(
    importance !== undefined || !native.ggml_quantize_requires_imatrix(type),
    "quantise",
    () => `${info.name} needs the importance of each column`,
  );
  requireArgument(
    importance === undefined || importance.length === rowElements,
    "quantise",
    () => `${importance?.length} importances for rows of ${rowElements}`,
  );
  // Non-finite input sends some quantisers outside their tables.
  for (const list of importance ? [values, importance] : [values]) {
    for (const value of list) {
      if (!(Math.abs(value) <= F16_MAX)) {
        throw invalidArgument("quantise", `value ${value}; expected finite, at most ${F16_MAX}`);
      }
    }
  }
  const target = new Uint8Array(sizeBytes);
  const rows = values.length / rowElements;
  native.ggml_quantize_chunk(type, values, target, 0, rows, rowElements, importance ?? null);
  return target;
}

// struct ggml_type_traits: name, block size, interleave, type size, is_quantized, to_float
const TRAITS_BLOCK_OFFSET = 8;
const TRAITS_TO_FLOAT_OFFSET = 40;
const decoders = new WeakMap<GgmlLibrary, Map<number, ForeignFunction>>();

/**
 * Expands values of any float or quantised type to F32.
 *
 * @param bytes  whole blocks of `type`
 * @throws GgmlError `INVALID_ARGUMENT`
 */
export function dequantise(library: GgmlLibrary, type: number, bytes: Uint8Array): Float32Array {
  const info = tensorTypeInfo(type);
  requireArgument(
    bytes.length > 0 && bytes.length % info.blockBytes === 0,
    "dequantise",
    () => `${bytes.length} bytes are not whole blocks of ${info.blockBytes} (${info.name})`,
  );
  if (type === TENSOR_TYPE.F32) return new Float32Array(bytes.slice().buffer);
  const elements = (bytes.length / info.blockBytes) * info.blockElements;
  const values = new Float32Array(elements);
  decoderOf(library, type)(bytes, values, elements);
  return values;
}

function decoderOf(library: GgmlLibrary, type: number): ForeignFunction {
  let byType = decoders.get(library);
  if (!byType) {
    byType = new Map();
    decoders.set(library, byType);
  }
  let decoder = byType.get(type);
  if (!decoder) {
    const { foreign, native } = library;
    const { name, blockElements } = tensorTypeInfo(type);
    const traits = native.ggml_get_type_traits(type);
    const address = foreign.int64At(traits, TRAITS_TO_FLOAT_OFFSET);
    requireArgument(
      Number(foreign.int64At(traits, TRAITS_BLOCK_OFFSET)) === blockElements && address !== 0n,
      "dequantise",
      () => `this ggml cannot expand ${name}`,
    );
    decoder = foreign.functionAt(address, "void (void*, void*, int64_t)");
    byType.set(type, decoder);
  }
  return decoder;
}

/**
 * True when every block of `bytes` holds finite scales. One weight that is NaN or infinite makes
 * every result NaN, so weights from files are checked once when they are loaded.
 */
export function hasFiniteBlocks(library: GgmlLibrary, type: number, bytes: Uint8Array): boolean {
  const { blockBytes } = tensorTypeInfo(type);
  if (bytes.length === 0 || bytes.length % blockBytes !== 0) return false;
  return library.native.ggml_validate_row_data(type, bytes, bytes.length);
}
