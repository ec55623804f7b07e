import { requireArgument, requireInteger } from "./errors.ts";
import { TENSOR_STRUCT } from "./library.ts";
import type { Tensor } from "./tensor.ts";

const SHAPE_BYTES = 32;

/**
 * A view whose number of rows (dimension 1) can change between computations of the same graph, as
 * the filled part of a KV cache does. Graphs stay built; only one number in native memory changes.
 */
export class RowWindow {
  readonly #shape: BigInt64Array;
  #rows: number;

  /** @param view a view made with all rows it may ever show; plan its graph with those */
  constructor(readonly view: Tensor) {
    requireArgument(
      view.operation === "view",
      "RowWindow",
      () => `${view} is not a view; make one with all rows`,
    );
    const address = view.pointer + BigInt(TENSOR_STRUCT.shape);
    const bytes = view.arena.structBytes(address, SHAPE_BYTES);
    this.#shape = new BigInt64Array(bytes.buffer, bytes.byteOffset, 4);
    this.#rows = view.shape[1];
  }

  get rows(): number {
    return this.#rows;
  }

  /** Shows the first `rows` rows, from 1 to as many as the view was made with. */
  setRows(rows: number): void {
    if (rows === this.#rows) return;
    requireInteger("RowWindow.setRows", "rows", rows, 1, this.view.shape[1]);
    requireArgument(this.#shape.length === 4, "RowWindow.setRows", () => "the view is closed");
    this.#shape[1] = BigInt(rows);
    this.#rows = rows;
  }
}
