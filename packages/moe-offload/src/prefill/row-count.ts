import { assert } from "@fmlab/experiment";
import { TENSOR_STRUCT, type Tensor } from "@fmlab/ggml";

/** Bytes of the four 64-bit extents in a tensor's description. */
const EXTENTS_BYTES = 32;

/**
 * Lets a graph that was built for many rows compute fewer of them, so that it need not be built
 * anew: every tensor that has one entry a row has them along its outermost dimension, whose extent
 * is one number in native memory. Strides and memory stay those of the largest count.
 */
export class RowCount {
  readonly rowsMax: number;
  /** The extents of each tensor, and which of the four counts rows. */
  readonly #extents: { all: BigInt64Array; dimension: number }[] = [];
  #rows: number;

  /**
   * @param tensors  of the graph
   * @param indices  leaves with one entry a row, from which all other rows follow
   * @param rowsMax  rows the graph was built for
   */
  constructor(tensors: Iterable<Tensor>, indices: readonly Tensor[], rowsMax: number) {
    this.rowsMax = rowsMax;
    this.#rows = rowsMax;
    const known = new Map<Tensor, boolean>(indices.map((tensor) => [tensor, true]));
    for (const tensor of tensors) {
      if (!hasRows(tensor, known) || rowsMax === 1) continue;
      const dimension = outermost(tensor);
      assert(tensor.shape[dimension] === rowsMax, "rows lie along the outermost dimension");
      const address = tensor.pointer + BigInt(TENSOR_STRUCT.shape);
      const bytes = tensor.arena.structBytes(address, EXTENTS_BYTES);
      this.#extents.push({
        all: new BigInt64Array(bytes.buffer, bytes.byteOffset, 4),
        dimension,
      });
    }
  }

  /** From now on the graph computes `rows` rows, 1 to `rowsMax`. */
  set(rows: number): void {
    if (rows === this.#rows) return;
    assert(Number.isInteger(rows) && rows >= 1 && rows <= this.rowsMax, "rows fit the graph");
    const extent = BigInt(rows);
    for (const { all, dimension } of this.#extents) all[dimension] = extent;
    this.#rows = rows;
  }
}

/** Written rows end in the table they are written to, which keeps its own extent. */
function hasRows(tensor: Tensor, known: Map<Tensor, boolean>): boolean {
  const found = known.get(tensor);
  if (found !== undefined) return found;
  const follows =
    tensor.operation !== "set_rows" && tensor.sources.some((source) => hasRows(source, known));
  known.set(tensor, follows);
  return follows;
}

function outermost({ shape }: Tensor): number {
  for (let dimension = 3; dimension > 0; dimension--) if (shape[dimension] !== 1) return dimension;
  return 0;
}
