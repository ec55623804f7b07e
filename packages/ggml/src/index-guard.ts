import { GgmlError, invalidArgument } from "./errors.ts";
import type { Tensor } from "./tensor.ts";
import { TENSOR_TYPE } from "./tensor-types.ts";

/** Checks index tensors right before a graph is computed, because ggml aborts on a bad index. */
export interface IndexGuard {
  /** @throws GgmlError `INDEX_OUT_OF_RANGE` */
  check(): void;
}

/** Operations that pass values on unchanged. */
const PASSING = new Set(["view", "reshape", "permute", "cont", "cpy"]);

/**
 * A guard for indices that come from memory this process writes; `undefined` when the indices are
 * computed in the graph and cannot leave the range.
 *
 * @param ids    the index tensor of an operation
 * @param limit  every index must be in `0..limit-1`
 * @throws GgmlError `INVALID_ARGUMENT` when the range of the indices cannot be known
 */
export function makeIndexGuard(ids: Tensor, limit: number): IndexGuard | undefined {
  let source = ids;
  let isPlainView = true;
  while (PASSING.has(source.operation)) {
    if (source.operation === "cont" || source.operation === "cpy") isPlainView = false;
    const next = source.sources[0];
    if (!next) break;
    source = next;
  }
  if (source.operation === "argsort") {
    if (source.shape[0] <= limit) return undefined;
    throw invalidArgument(
      "index tensor",
      `${ids} numbers ${source.shape[0]} columns, but only ${limit} rows exist`,
    );
  }
  const table = source.sources[0];
  if (source.operation === "get_rows" && table) return makeIndexGuard(table, limit);
  if (source.operation !== "leaf" || source.isWrittenByOperation) {
    throw invalidArgument(
      "index tensor",
      `the range of ${ids} cannot be known; use a leaf, an argsort or rows of a leaf`,
    );
  }
  return new LeafGuard(isPlainView ? ids : source, limit);
}

class LeafGuard implements IndexGuard {
  readonly #ids: Tensor;
  readonly #limit: number;
  readonly #values: Int32Array | BigInt64Array;
  readonly #isCopy: boolean;
  readonly #positions: Int32Array;

  constructor(ids: Tensor, limit: number) {
    this.#ids = ids;
    this.#limit = limit;
    const { root } = ids;
    const isWide = ids.type === TENSOR_TYPE.I64;
    const buffer = root.bufferIfPlaced();
    this.#isCopy = root.mirror === undefined && (buffer === undefined || !buffer.isHost);
    if (root.mirror) {
      this.#values = root.mirror;
    } else if (this.#isCopy) {
      this.#values = isWide ? new BigInt64Array(root.elements) : new Int32Array(root.elements);
    } else {
      this.#values = isWide ? root.int64() : root.int32();
    }
    this.#positions = positionsOf(ids, isWide ? 8 : 4);
  }

  check(): void {
    const values = this.#values;
    if (this.#isCopy) this.#ids.root.read(values);
    for (const position of this.#positions) {
      const value = Number(values[position]);
      if (!(value >= 0 && value < this.#limit)) {
        throw new GgmlError(
          `index ${value} in ${this.#ids} is out of range; expected 0 to ${this.#limit - 1}`,
          {
            code: "INDEX_OUT_OF_RANGE",
            tensor: String(this.#ids),
            value,
            limit: this.#limit,
          },
        );
      }
    }
  }
}

/** Where the elements of a view lie in its root, counted in elements. */
function positionsOf(ids: Tensor, elementBytes: number): Int32Array {
  const positions = new Int32Array(ids.elements);
  const [ne0, ne1, ne2, ne3] = ids.shape;
  const [nb0, nb1, nb2, nb3] = ids.strides;
  let count = 0;
  for (let i3 = 0; i3 < ne3; i3++) {
    for (let i2 = 0; i2 < ne2; i2++) {
      for (let i1 = 0; i1 < ne1; i1++) {
        for (let i0 = 0; i0 < ne0; i0++) {
          const bytes = ids.rootOffset + i0 * nb0 + i1 * nb1 + i2 * nb2 + i3 * nb3;
          positions[count++] = bytes / elementBytes;
        }
      }
    }
  }
  return positions;
}
