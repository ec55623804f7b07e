import { requireArgument, requireInteger } from "./errors.ts";
import { TENSOR_STRUCT } from "./library.ts";
import type { Tensor } from "./tensor.ts";

const SHAPE_BYTES = 32;

/**
 * A view whose number of rows (dimension 1, or another) can change between computations of the same
 * graph, as the filled part of a KV cache does. Graphs stay built; only one number in native memory
 * changes.
 */
export class RowWindow {
  readonly #shape: BigInt64Array;
  #rows: number;

  /**
   * @param view       a view made with all rows it may ever show; plan its graph with those
   * @param dimension  the one that rows are counted along
   */
  constructor(
    readonly view: Tensor,
    readonly dimension: 0 | 1 | 2 | 3 = 1,
  ) {
    requireArgument(
      view.operation === "view",
      "RowWindow",
      () => `${view} is not a view; make one with all rows`,
    );
    const address = view.pointer + BigInt(TENSOR_STRUCT.shape);
    const bytes = view.arena.structBytes(address, SHAPE_BYTES);
    this.#shape = new BigInt64Array(bytes.buffer, bytes.byteOffset, 4);
    this.#rows = view.shape[dimension];
  }

  get rows(): number {
    return this.#rows;
  }

  /** Shows the first `rows` rows, from 1 to as many as the view was made with. */
  setRows(rows: number): void {
    if (rows === this.#rows) return;
    requireInteger("RowWindow.setRows", "rows", rows, 1, this.view.shape[this.dimension]);
    requireArgument(this.#shape.length === 4, "RowWindow.setRows", () => "the view is closed");
    this.#shape[this.dimension] = BigInt(rows);
    this.#rows = rows;
  }
}
